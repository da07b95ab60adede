import { afterAll, describe, expect, test } from "bun:test";
import { inspectAnswer, type SeenAnswer, UndocumentedAnswer } from "../support/answer-inspection.ts";
import { type DocumentedAnswers, documentOf } from "../support/documented-answers.ts";
import { startTestServer } from "../support/test-server.ts";

const server = await startTestServer();
afterAll(() => server.stop());
const answers: DocumentedAnswers = await documentOf(server.app);

const written = { id: "t", serverVersion: 1, syncTimestamp: "2025-11-17T10:00:00.000Z" };
const error = {
  error: "NOT_FOUND",
  message: "Trip not found",
  details: null,
  timestamp: "2025-11-17T10:00:00.000Z",
  requestId: "a",
};
const base = {
  method: "POST",
  path: "/api/v1/trips",
  status: 201,
  contentType: "application/json;charset=utf-8",
};
const answer = (body: unknown, more: Partial<SeenAnswer> = {}): SeenAnswer => ({
  ...base,
  text: typeof body === "string" ? body : JSON.stringify(body),
  ...more,
});

const fine: readonly [string, SeenAnswer][] = [
  ["what is described", answer(written)],
  ["an error that is described", answer({ ...error, error: "UNAUTHORIZED" }, { status: 401 })],
  [
    "nothing where nothing is described",
    answer("", { method: "DELETE", path: "/api/v1/trips/t", status: 204 }),
  ],
  ["an unknown address", answer(error, { path: "/api/v1/nothing", status: 404 })],
  ["HEAD, like GET without a body", answer("", { method: "HEAD", path: "/api/v1/trips/t", status: 200 })],
  ["a path with a slash at its end", answer(written, { path: "/api/v1/trips/" })],
];

const wrong: readonly [string, SeenAnswer, RegExp][] = [
  [
    "a key that nobody described",
    answer({ ...written, more: 1 }),
    /must NOT have additional properties \(more\)/,
  ],
  ["a missing key", answer({ id: "t", serverVersion: 1 }), /required property 'syncTimestamp'/],
  [
    "an instant without milliseconds",
    answer({ ...written, syncTimestamp: "2025-11-17T10:00:00Z" }),
    /pattern/,
  ],
  ["a fraction for a version", answer({ ...written, serverVersion: 1.5 }), /integer/],
  ["null where it is not allowed", answer({ ...written, id: null }), /\/id must be string/],
  [
    "a status that is not described",
    answer(written, { status: 200 }),
    /answered 200, which \/api\/v1\/trips does not/,
  ],
  ["an error of another status", answer(error, { status: 401 }), /\/error must be equal to one of/],
  [
    "a number among details",
    answer({ ...error, details: { a: 1 } }, { status: 400 }),
    /\/details\/a must be string/,
  ],
  ["a route that is not described", answer({}, { path: "/api/v1/nothing", status: 200 }), /third argument/],
  ["a method that is not described", answer({}, { method: "PATCH", status: 200 }), /third argument/],
  [
    "a body where none is described",
    answer({}, { method: "DELETE", path: "/api/v1/trips/t", status: 204 }),
    /without one/,
  ],
  [
    "another media type",
    answer("<p>", { contentType: "text/html" }),
    /is text\/html; described is application\/json/,
  ],
  ["broken JSON", answer("{"), /is no JSON/],
];

describe("an answer of a test", () => {
  test.each(fine)("may be %s", (_name, seen) => {
    expect(() => answers.check(seen)).not.toThrow();
  });

  test.each(wrong)("must not be %s", (_name, seen, message) => {
    expect(() => answers.check(seen)).toThrow(message);
    expect(() => answers.check(seen)).toThrow(UndocumentedAnswer);
  });

  test("is inspected as long as its server runs", async () => {
    const request = new Request(`${server.url}/api/v1/sync/status`);
    const response = Response.json({});
    await expect(inspectAnswer(request, response, "{}")).rejects.toThrow(UndocumentedAnswer);
    await inspectAnswer(new Request("http://127.0.0.1:1/api/v1/sync/status"), response, "{}");
  });
});
