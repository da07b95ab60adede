import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { goodPassword, type Person, register } from "../accounts/people.ts";
import { startTestServer, type TestServer } from "../support/test-server.ts";
import { expectError } from "./error-shape.ts";
import { head, openRaw, type RawAnswer, sendRaw } from "./raw.ts";

let server: TestServer;
let ada: Person;
beforeAll(async () => {
  server = await startTestServer();
  ada = await register(server);
});
afterAll(() => server.stop());

const who = () => ({ token: ada.accessToken, deviceId: ada.deviceId });
const signed = (headers: Record<string, string> = {}) => ({
  Authorization: `Bearer ${ada.accessToken}`,
  "X-Device-ID": ada.deviceId,
  ...headers,
});
const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  server.request("POST", path, { ...who(), body, headers });
const instant = "2025-01-01T00:00:00Z";
const trip = (more: object = {}) => ({ name: "A", startDate: instant, endDate: instant, ...more });
const errors = () => server.logs.filter(({ level }) => level === "error");

describe("what is no JSON is 400", () => {
  test.each([
    ["half an object", '{"name":'],
    ["a bare word", "name"],
    ["two values", "{} {}"],
    ["a comment", "{} // x"],
    ["not a number", '{"name": NaN}'],
    ["a byte order mark alone", "\ufeff"],
    ["invalid UTF-8", new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])],
    ["half a character", new Uint8Array([0x22, 0xe2, 0x82])],
    ["compressed bytes", Bun.gzipSync("{}")],
    ["deep nesting", "[".repeat(300_000)],
  ])("%s", async (_what, body) => {
    const answer = await post("/trips", body);
    expectError(answer, "VALIDATION_ERROR");
    expect(answer.json.details).toEqual({ body: "is not valid JSON in UTF-8" });
  });

  test.each(["[]", "null", "5", '"text"', "true"])("%s is JSON, but no object", async (body) => {
    for (const path of ["/trips", "/sync/delta", "/locations/batch", "/photos/attachments"]) {
      expectError(await post(path, body), "VALIDATION_ERROR");
    }
  });

  test("nesting that parses is refused by what it is not, not by a crash", async () => {
    const deep = `${'{"name":'.repeat(40_000)}1${"}".repeat(40_000)}`;
    const answer = await post("/trips", deep);
    expectError(answer, "VALIDATION_ERROR");
    expect(answer.json.details.name).toBe("must be text");
  });
});

test("each wrong field is named by its path", async () => {
  const answer = await server.request("POST", "/auth/register", {
    body: { email: "x", password: goodPassword, displayName: "A", deviceInfo: { deviceId: "x" } },
  });
  expectError(answer, "VALIDATION_ERROR");
  expect(Object.keys(answer.json.details).sort()).toEqual([
    "deviceInfo.appVersion",
    "deviceInfo.deviceId",
    "deviceInfo.deviceName",
    "deviceInfo.osVersion",
    "deviceInfo.platform",
    "email",
  ]);
});
describe("numbers beyond all measure are 400", () => {
  test.each(["1e999", "-1e999", "1e300", "123456789012345678901234567890", "-1", "0.5"])(
    "%s",
    async (number) => {
      const delta = `{"deviceId":"${ada.deviceId}","lastSyncVersion":${number},"localChanges":{}}`;
      expectError(await post("/sync/delta", delta), "VALIDATION_ERROR");
      await post("/trips", trip({ id: "measured" }));
      const put = { ...who(), body: `{"name":"B","expectedVersion":${number}}` };
      expectError(await server.request("PUT", "/trips/measured", put), "VALIDATION_ERROR");
    },
  );
});

describe("content types", () => {
  test.each([
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/jsonx",
  ])("%s is 415", async (type) => {
    expectError(await post("/trips", trip(), { "Content-Type": type }), "UNSUPPORTED_MEDIA_TYPE");
  });

  test.each([
    "application/json; charset=utf-8",
    "Application/JSON",
    "application/problem+json",
    "application/json ;x",
  ])("%s is taken", async (type) => {
    expect((await post("/trips", trip(), { "Content-Type": type })).status).toBe(201);
  });

  test("none is taken, too", async () => {
    const { "Content-Type": _none, ...headers } = { "Content-Type": "", ...signed() };
    const body = JSON.stringify(trip());
    const lines = Object.entries({ ...headers, "X-App-Version": "1", "Content-Length": String(body.length) });
    const start = `POST /api/v1/trips HTTP/1.1\r\nHost: localhost\r\n`;
    const text = lines.map(([name, value]) => `${name}: ${value}\r\n`).join("");
    expect((await sendRaw(server.url, `${start}${text}\r\n${body}`)).status).toBe(201);
  });
});

describe("an empty body that says it is JSON", () => {
  test.each(["", "Content-Length: 0"])("is no harm on GET and DELETE (%p)", async (line) => {
    const extra = line ? { "Content-Length": "0" } : {};
    await post("/trips", trip({ id: "emptied" }));
    for (const path of ["/api/v1/trips", "/api/v1/sync/status", "/api/v1/settings", "/health"]) {
      expect((await sendRaw(server.url, head("GET", path, signed(extra)))).status).toBe(200);
    }
    const answer = await sendRaw(server.url, head("DELETE", "/api/v1/trips/emptied", signed(extra)));
    expect([answer.status, answer.text]).toEqual([204, ""]);
  });

  test("is 400 where something is needed, and names it", async () => {
    const answer = await server.request("POST", "/trips", who());
    expectError(answer, "VALIDATION_ERROR");
    expect(answer.json.details.name).toBeString();
  });
});

/** Sends a body in chunks until it is whole or an answer comes. */
async function sendChunked(path: string, bytes: number): Promise<RawAnswer> {
  const connection = openRaw(server.url);
  connection.write(head("POST", path, signed({ "Transfer-Encoding": "chunked" })));
  let answered = false;
  const answer = connection.answer().finally(() => {
    answered = true;
  });
  const chunk = new Uint8Array(64 * 1024).fill(32);
  for (let sent = 0; sent < bytes && !answered; sent += chunk.length) {
    const part = chunk.subarray(0, Math.min(chunk.length, bytes - sent));
    connection.write(`${part.length.toString(16)}\r\n`);
    connection.write(part);
    connection.write("\r\n");
    if (sent % (1024 * 1024) === 0) await Bun.sleep(1);
  }
  if (!answered) connection.write("2\r\n{}\r\n0\r\n\r\n");
  return answer.finally(() => connection.socket.destroy());
}

const mebibyte = 1024 * 1024;

describe("limits", () => {
  const padded = (bytes: number) => `{}${" ".repeat(bytes - 2)}`;
  test.each([
    ["/trips", mebibyte],
    ["/sync/resolve-conflict", mebibyte],
    ["/photos/attachments", mebibyte],
    ["/sync/delta", 32 * mebibyte],
    ["/locations/batch", 32 * mebibyte],
  ])("%s takes exactly as much as it may", async (path, limit) => {
    expectError(await post(path, padded(limit)), "VALIDATION_ERROR");
    const answer = await post(path, padded(limit + 1));
    expectError(answer, "PAYLOAD_TOO_LARGE");
    expect(answer.json.message).toContain(String(limit));
  });

  test.each([
    ["/trips", mebibyte],
    ["/sync/delta", 32 * mebibyte],
    ["/locations/batch", 32 * mebibyte],
  ])("%s takes as much in chunks", async (path, limit) => {
    expectError(await sendChunked(`/api/v1${path}`, limit - 2), "VALIDATION_ERROR");
    expectError(await sendChunked(`/api/v1${path}`, limit), "PAYLOAD_TOO_LARGE");
  });

  test("a size beyond every limit is refused before a byte of it is sent, in our shape", async () => {
    for (const length of ["120000000", "9000000000", "9007199254740991"]) {
      for (const path of ["/api/v1/trips", "/api/v1/sync/delta"]) {
        const answer = await sendRaw(server.url, head("POST", path, signed({ "Content-Length": length })));
        expectError(answer, "PAYLOAD_TOO_LARGE");
      }
    }
  });

  test("a stranger is asked for a token before any size matters", async () => {
    const answer = await sendRaw(
      server.url,
      head("POST", "/api/v1/sync/delta", { "Content-Length": "9000000000" }),
    );
    expectError(answer, "UNAUTHORIZED");
  });

  test("a body that never ends costs no memory once it is refused", async () => {
    const before = process.memoryUsage().rss;
    expectError(await sendChunked("/api/v1/trips", 200 * mebibyte), "PAYLOAD_TOO_LARGE");
    expect(process.memoryUsage().rss - before).toBeLessThan(100 * mebibyte);
  });
});

describe("slow and vanishing clients", () => {
  test("a request that comes byte by byte is served", async () => {
    const body = JSON.stringify(trip({ id: "slow" }));
    const request = head("POST", "/api/v1/trips", signed({ "Content-Length": String(body.length) })) + body;
    const connection = openRaw(server.url);
    for (let at = 0; at < request.length; at += 7) {
      connection.write(request.slice(at, at + 7));
      await Bun.sleep(2);
    }
    expect((await connection.answer()).status).toBe(201);
    connection.socket.destroy();
  });

  test("requests that follow each other on one connection get their answers in order", async () => {
    const connection = openRaw(server.url);
    connection.write(head("GET", "/health/live") + head("GET", "/api/v1/nothing"));
    expect((await connection.answer()).status).toBe(200);
    expect((await connection.answer()).status).toBe(404);
    connection.socket.destroy();
  });

  test.each([
    ["a body of known length", { "Content-Length": "1000" }, "{"],
    ["chunks", { "Transfer-Encoding": "chunked" }, "1\r\n{\r\n"],
    ["a large delta", { "Content-Length": "30000000" }, `{"a":"${"x".repeat(5_000_000)}`],
  ])(
    "whoever leaves in the middle of %s harms nobody, and is no error of ours",
    async (_what, headers, start) => {
      const before = errors().length;
      const path = "/api/v1/sync/delta";
      const leavers = Array.from({ length: 20 }, () => openRaw(server.url));
      for (const leaver of leavers) leaver.write(head("POST", path, signed(headers)) + start);
      await Bun.sleep(100);
      for (const leaver of leavers) leaver.socket.destroy();
      await Bun.sleep(150);
      expect((await server.request("GET", "/trips", who())).status).toBe(200);
      expect(errors().slice(before)).toEqual([]);
    },
  );

  test("whoever leaves before the answer gets what they asked for done", async () => {
    const body = JSON.stringify(trip({ id: "left" }));
    const connection = openRaw(server.url);
    connection.write(head("POST", "/api/v1/trips", signed({ "Content-Length": String(body.length) })) + body);
    await Bun.sleep(5);
    connection.socket.destroy();
    await Bun.sleep(200);
    expect((await server.request("GET", "/trips/left", who())).status).toBe(200);
  });
});
