import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Person, register } from "../accounts/people.ts";
import { startTestServer, type TestServer } from "../support/test-server.ts";
import { expectError } from "./error-shape.ts";
import { head, sendRaw } from "./raw.ts";

let server: TestServer;
let ada: Person;
beforeAll(async () => {
  server = await startTestServer();
  ada = await register(server);
});
afterAll(() => server.stop());

const signed = (headers: Record<string, string> = {}) => ({
  Authorization: `Bearer ${ada.accessToken}`,
  "X-Device-ID": ada.deviceId,
  ...headers,
});
const send = (method: string, path: string, headers: Record<string, string> = {}) =>
  sendRaw(server.url, head(method, path, signed(headers)));

describe("unknown addresses are 404", () => {
  test.each([
    "/",
    "/api",
    "/api/v1",
    "/api/v1/",
    "/api/v2/trips",
    "/api/v1/nothing",
    "/api/v1/trips/a/b/c",
    "/trips",
    "//api/v1/trips",
    "/api/v1/../../etc/passwd",
    "/API/V1/TRIPS",
    "/.env",
    "//[",
  ])("%s", async (path) => {
    expectError(await send("GET", path), "NOT_FOUND");
  });

  test("whoever asks, and with whatever method", async () => {
    const method = await sendRaw(server.url, head("DELETE", "/api/v1/nothing"));
    expectError(method, "NOT_FOUND");
  });
});

describe("wrong methods are 405, and the right ones are named", () => {
  test.each([
    ["DELETE", "/api/v1/trips", "GET, POST"],
    ["DELETE", "/api/v1/trips/", "GET, POST"],
    ["PATCH", "/api/v1/trips/abc", "GET, PUT, DELETE"],
    ["POST", "/api/v1/trips/abc/days", "GET"],
    ["DELETE", "/api/v1/trips/abc/days/2025-01-01", "GET, PUT"],
    ["GET", "/api/v1/sync/delta", "POST"],
    ["POST", "/api/v1/settings", "GET, PUT"],
    ["POST", "/health", "GET"],
    ["POST", "/api/v1/health/live", "GET"],
    ["PUT", "/api/v1/auth/login", "POST"],
    ["OPTIONS", "/api/v1/trips", "GET, POST"],
    ["PROPFIND", "/api/v1/trips", "GET, POST"],
  ])("%s %s", async (method, path, allowed) => {
    const answer = await send(method, path);
    expectError(answer, "METHOD_NOT_ALLOWED");
    expect(answer.headers.allow).toBe(allowed);
  });
});

describe("ids in paths", () => {
  test.each(["%zz", "%", "%ff%fe", "%00", "a%2Fb", "a%20b", "x".repeat(129), "..%2f..", "'%3b--"])(
    "%s is no id, so it is not found",
    async (id) => {
      for (const kind of ["trips", "place-visits", "photos", "locations"]) {
        for (const method of ["GET", "DELETE"]) {
          expectError(await send(method, `/api/v1/${kind}/${id}`), "NOT_FOUND");
        }
      }
    },
  );

  test.each(["trip_1700000000000_1", "AAAA-bbbb", "visit_1_-5_7", "a.b:c", "x".repeat(128)])(
    "%s is one, also percent-encoded",
    async (id) => {
      const instant = "2025-01-01T00:00:00Z";
      const body = { id, name: "A", startDate: instant, endDate: instant };
      const who = { token: ada.accessToken, deviceId: ada.deviceId };
      expect((await server.request("POST", "/trips", { ...who, body })).status).toBe(201);
      const encoded = [...id].map((c) => `%${c.charCodeAt(0).toString(16)}`).join("");
      for (const path of [id, encoded]) expect((await send("GET", `/api/v1/trips/${path}`)).json.id).toBe(id);
      const swapped = id === id.toUpperCase() ? id.toLowerCase() : id.toUpperCase();
      expect((await send("GET", `/api/v1/trips/${swapped}`)).status).toBe(404);
    },
  );
});

test.each(["limit=%zz", "limit=", "limit=-1", "limit=0", "limit=1.5", "limit=1e2", "offset=x", "offset=-1"])(
  "the query %s is 400, and named",
  async (query) => {
    const answer = await send("GET", `/api/v1/trips?${query}`);
    expectError(answer, "VALIDATION_ERROR");
    expect(Object.keys(answer.json.details)).toEqual([query.split("=")[0] as string]);
  },
);

test("unknown parameters, and names that objects have anyway, are no news", async () => {
  const query = "foo=1&__proto__=2&constructor=3&toString=4&limit=5";
  expect((await send("GET", `/api/v1/trips?${query}`)).json.pagination.limit).toBe(5);
});

describe("the Host header means nothing", () => {
  test.each(["pi", "x", "abc", "localhost:1", "[::1]", "a b[", "[::zz", "evil.example.org"])(
    "%s",
    async (Host) => {
      expect((await send("GET", "/api/v1/trips", { Host })).status).toBe(200);
      expectError(await send("GET", "/api/v1/nothing", { Host }), "NOT_FOUND");
    },
  );

  test("nor does a missing one, as of an old probe", async () => {
    expect((await sendRaw(server.url, "GET /health HTTP/1.0\r\n\r\n")).status).toBe(200);
  });

  test("nor the address of a request that comes as through a proxy", async () => {
    expect((await send("GET", "http://x/api/v1/trips")).status).toBe(200);
  });
});

test("what is no HTTP is turned away, and the server stays", async () => {
  for (const rubbish of [
    "rubbish\r\n\r\n",
    "GET / HTTP/9.9\r\n\r\n",
    "\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
  ]) {
    const answer = await sendRaw(server.url, rubbish).catch(() => null);
    expect(answer?.status ?? 400).toBeGreaterThanOrEqual(400);
  }
  expect((await send("GET", "/api/v1/trips")).status).toBe(200);
});
