import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { instantHasher, register } from "./accounts/people.ts";
import { LogCanary } from "./support/log-canary.ts";
import { startTestServer, type TestServer } from "./support/test-server.ts";

const line = (fields: object) => JSON.stringify({ level: "info", msg: "request", ...fields });

/** Fields of a line that an administrator is to pass on. */
const handOn = (fields: object) => ({ ...fields, msg: "hand this to the account's owner" });

describe("a log that holds", () => {
  const canary = new LogCanary();
  const point = { latitude: 47.12345, longitude: -8.54321 };
  canary.request("/trips/a-known-path", {
    email: "ada@example.org",
    localChanges: { placeVisits: [{ placeName: 'The "Crown"', notes: "hidden\nnote", location: point }] },
  });
  canary.answer('{"refreshToken":"0123456789abcdef","name":"a-known-path"}');

  test.each([
    ["an address", "ada@example.org"],
    ["a note of two lines", "hidden\nnote"],
    ["a name with quotes", 'at The "Crown" again'],
    ["a latitude", "47.12345"],
    ["a longitude", { x: -8.54321 }],
    ["a token of an answer", "token=0123456789abcdef"],
    ["anybody's signed token", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln"],
    ["the hash of a password", "$argon2id$v=19$m=19456"],
    ["a header", "Bearer x"],
    ["the way to a new password in another line", { resetToken: "0123456789abcdef" }],
    ["more than that in its line", handOn({ resetToken: "0123456789abcdef", to: "ada@example.org" })],
  ])("%s is found out", (_what, told) => {
    expect(() =>
      canary.requireSilence([line({}), line(typeof told === "string" ? { told } : told), line({})]),
    ).toThrow("holds a secret");
  });

  test.each([
    ["the way to a new password", handOn({ resetLink: "https://a.example/?token=0123456789abcdef" })],
    ["the same without an address", handOn({ resetToken: "0123456789abcdef" })],
    ["what was asked for by its path", { path: "/api/v1/trips/a-known-path" }],
    ["ids and times", { requestId: crypto.randomUUID(), durationMs: 47.1 }],
  ])("%s may", (_what, fields) => {
    canary.requireSilence([line(fields)]);
  });
});

describe("a server that tells a secret", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer({}, { hasher: instantHasher });
  });
  afterAll(async () => {
    await expect(server.stop()).rejects.toThrow("holds a secret");
  });

  test("is given away when it stops", async () => {
    const ada = await register(server);
    server.context.log.info({ who: ada.email }, "somebody is here");
  });
});
