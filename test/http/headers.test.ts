import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Person, register } from "../accounts/people.ts";
import { type RequestOptions, startTestServer, type TestServer } from "../support/test-server.ts";
import { expectError } from "./error-shape.ts";
import { head, sendRaw } from "./raw.ts";

let server: TestServer;
let ada: Person;
beforeAll(async () => {
  server = await startTestServer();
  ada = await register(server);
});
afterAll(() => server.stop());

const get = (path: string, options: RequestOptions = {}) =>
  server.request("GET", path, { token: ada.accessToken, deviceId: ada.deviceId, ...options });

describe("device headers", () => {
  test.each([
    ["no device", { deviceId: null }, "X-Device-ID"],
    ["an empty device", { deviceId: "" }, "X-Device-ID"],
    ["a device that is no UUID", { deviceId: "my-phone" }, "X-Device-ID"],
    ["an empty version", { headers: { "X-App-Version": "" } }, "X-App-Version"],
    ["a version too long", { headers: { "X-App-Version": "1".repeat(65) } }, "X-App-Version"],
    ["a version not printable", { headers: { "X-App-Version": "1.0\u00e9" } }, "X-App-Version"],
  ])("%s is refused, and named", async (_what, options, header) => {
    const answer = await get("/trips", options);
    expectError(answer, "VALIDATION_ERROR");
    expect(answer.json.details.header).toBe(header);
  });

  test("no version is refused, and named", async () => {
    const request = `GET /api/v1/trips HTTP/1.1\r\nHost: localhost\r\nX-Device-ID: ${ada.deviceId}\r\n\r\n`;
    const answer = await sendRaw(server.url, request);
    expectError(answer, "VALIDATION_ERROR");
    expect(answer.json.details.header).toBe("X-App-Version");
  });

  test("come before the token, and the token before the body", async () => {
    const nobody = await server.request("POST", "/trips", { deviceId: null, body: "{" });
    expect(nobody.json.details.header).toBe("X-Device-ID");
    expectError(await server.request("POST", "/trips", { body: "{" }), "UNAUTHORIZED");
  });

  test("are the longest version, and an upper-case device as iOS has it", async () => {
    const headers = { "X-App-Version": `2.0 (${"7".repeat(58)})` };
    expect(headers["X-App-Version"]).toHaveLength(64);
    expect((await get("/trips", { deviceId: ada.deviceId.toUpperCase(), headers })).status).toBe(200);
  });
});

describe("authorization", () => {
  test.each([
    ["another scheme", "Basic abc"],
    ["no token", "Bearer"],
    ["two words", "Bearer a b"],
    ["rubbish", "Bearer abc"],
    ["a forged token", "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0."],
  ])("%s is 401", async (_what, Authorization) => {
    const answer = await get("/trips", { token: "", headers: { Authorization } });
    expectError(answer, "UNAUTHORIZED");
    expect(answer.headers.get("www-authenticate")).toBe("Bearer");
  });

  test("another device's token is 403", async () => {
    expectError(await get("/trips", { deviceId: crypto.randomUUID() }), "FORBIDDEN");
  });
});

describe("request ids", () => {
  test.each(["a", "phone.1_2-3", "x".repeat(128)])("%s is taken over", async (given) => {
    const headers = { "X-Request-ID": given };
    expect((await get("/trips", { headers })).headers.get("x-request-id")).toBe(given);
    const wrong = await get("/nothing", { headers });
    expect([wrong.headers.get("x-request-id"), wrong.json.requestId]).toEqual([given, given]);
    expect(server.logs.filter(({ requestId }) => requestId === given)).toHaveLength(2);
  });

  test.each(["", "with space", "x".repeat(129), "sl/ash", "<b>"])("%p is replaced", async (given) => {
    const made = (await get("/trips", { headers: { "X-Request-ID": given } })).headers.get("x-request-id");
    expect(made).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    expect(server.logs.some(({ requestId }) => requestId === made)).toBe(true);
  });

  test("are made anew each time", async () => {
    const ids = await Promise.all(
      [1, 2, 3].map(async () => (await get("/trips")).headers.get("x-request-id")),
    );
    expect(new Set(ids).size).toBe(3);
  });
});

describe("every answer", () => {
  test.each([
    ["a listing", "GET", "/trips", 200],
    ["a delta", "POST", "/sync/delta", 200],
    ["nothing to say", "DELETE", "/trips/gone", 204],
    ["an unknown address", "GET", "/nothing", 404],
    ["a wrong method", "PATCH", "/trips", 405],
    ["health", "GET", "/health", 200],
    ["life", "GET", "/health/live", 200],
  ])("%s has the common headers", async (_what, method, path, status) => {
    const who = { token: ada.accessToken, deviceId: ada.deviceId };
    const trip = {
      id: "gone",
      name: "A",
      startDate: "2025-01-01T00:00:00Z",
      endDate: "2025-01-01T00:00:00Z",
    };
    if (status === 204) await server.request("POST", "/trips", { ...who, body: trip });
    const body = { deviceId: ada.deviceId, lastSyncVersion: 0, localChanges: {} };
    const answer = await server.request(method, path, { ...who, ...(method === "POST" && { body }) });
    expect(answer.status).toBe(status);
    expect(answer.headers.get("x-request-id")).toBeTruthy();
    expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
    expect(answer.headers.get("cache-control")).toBe("no-store");
    expect(answer.headers.get("strict-transport-security")).toBeNull();
  });

  test("to HEAD has the head alone", async () => {
    const headers = { Authorization: `Bearer ${ada.accessToken}`, "X-Device-ID": ada.deviceId };
    const answer = await sendRaw(server.url, head("HEAD", "/api/v1/trips", headers));
    expect([answer.status, answer.text]).toEqual([200, ""]);
    expect(answer.headers["x-request-id"]).toBeTruthy();
  });
});

test("health needs no headers, with and without the base path", async () => {
  for (const path of ["/health", "/health/live", "/health/ready"]) {
    for (const base of ["", "/api/v1"]) {
      const answer = await sendRaw(server.url, `GET ${base}${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
      expect(answer.status).toBe(200);
      expect(answer.json.status).toBe("ok");
      if (path !== "/health/live") expect(answer.json.components.database.latencyMs).toBeNumber();
    }
  }
});
