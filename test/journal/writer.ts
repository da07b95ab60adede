import { type Person, register } from "../accounts/people.ts";
import type { Answer, TestServer } from "../support/test-server.ts";

/** Somebody who writes a journal over REST. */
export interface Writer extends Person {
  get(path: string): Promise<Answer>;
  post(path: string, body: unknown): Promise<Answer>;
  put(path: string, body: unknown): Promise<Answer>;
  remove(path: string): Promise<Answer>;
}

/** The same calls for anybody who is signed in. */
export function writerFor(server: TestServer, person: Person): Writer {
  const who = { token: person.accessToken, deviceId: person.deviceId };
  return {
    ...person,
    get: (path) => server.request("GET", path, who),
    post: (path, body) => server.request("POST", path, { ...who, body }),
    put: (path, body) => server.request("PUT", path, { ...who, body }),
    remove: (path) => server.request("DELETE", path, who),
  };
}

/** A new account with an empty journal. */
export async function newWriter(server: TestServer): Promise<Writer> {
  return writerFor(server, await register(server));
}

/** An instant of a day in 2025, such as `instant("03-01")` or `instant("03-01", "12:30")`. */
export const instant = (day: string, time = "10:00") => `2025-${day}T${time}:00.000Z`;

/** The ids of a listing, in its order. */
export function idsOf(answer: Answer): string[] {
  const list = Object.values(answer.json).find(Array.isArray) as { id: string }[];
  return list.map(({ id }) => id);
}
