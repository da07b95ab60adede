import { expect } from "bun:test";
import { type ErrorCode, errorStatus } from "../../src/errors.ts";

interface AnyAnswer {
  readonly status: number;
  readonly headers: Headers | Record<string, string>;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: the body of whatever was answered
  readonly json: any;
}

/** Words that tell of the machine behind the API: statements, stacks, paths, libraries. */
const inside =
  /select |insert |update |delete from|relation "|\n\s+at |\/src\/|\.ts\b|node_modules|postgres|zod/i;

const headerOf = (answer: AnyAnswer, name: string) =>
  answer.headers instanceof Headers ? answer.headers.get(name) : (answer.headers[name] ?? null);

/** Checks that an answer is an error as phones can read it, and says nothing of the machine. */
export function expectError(answer: AnyAnswer, code: ErrorCode): void {
  expect(answer.json).toMatchObject({ error: code });
  const { message, details, timestamp, requestId, ...rest } = answer.json;
  expect(answer.status).toBe(errorStatus[code]);
  expect(message).toBeString();
  expect(message.length).toBeGreaterThan(0);
  expect(new Date(timestamp).toISOString()).toBe(timestamp);
  expect(requestId).toBe(headerOf(answer, "x-request-id"));
  if (details !== null) {
    expect(Object.values(details).length).toBeGreaterThan(0);
    for (const value of Object.values(details)) expect(value).toBeString();
  }
  const further = code === "VERSION_CONFLICT" ? ["currentVersion", "error", "expectedVersion"] : ["error"];
  expect(Object.keys(rest).sort()).toEqual(further);
  expect(answer.text).not.toMatch(inside);
  expect(headerOf(answer, "content-type")).toMatch(/^application\/json/);
}
