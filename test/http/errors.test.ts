import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { AppError, type ErrorCode, errorStatus } from "../../src/errors.ts";
import { errorResponse, toAppError } from "../../src/http/error-response.ts";
import { type Person, register, sendRegister } from "../accounts/people.ts";
import { type Answer, startTestServer, type TestServer } from "../support/test-server.ts";
import { expectError } from "./error-shape.ts";

let server: TestServer;
let ada: Person;
beforeAll(async () => {
  server = await startTestServer();
  ada = await register(server);
});
afterAll(() => server.stop());

const instant = "2025-01-01T00:00:00Z";
const trip = (more: object = {}) => ({ name: "A", startDate: instant, endDate: instant, ...more });
const ask = (method: string, path: string, options: object = {}) =>
  server.request(method, path, { token: ada.accessToken, deviceId: ada.deviceId, ...options });

async function withoutTable(table: string, action: () => Promise<Answer>): Promise<Answer> {
  const away = sql.raw(`${table}_away`);
  await server.context.db.execute(sql`ALTER TABLE ${sql.raw(table)} RENAME TO ${away}`);
  try {
    return await action();
  } finally {
    await server.context.db.execute(sql`ALTER TABLE ${away} RENAME TO ${sql.raw(table)}`);
  }
}

/** How each error is met on a socket. The four that need another server are tested where that server is. */
const ways: Record<
  Exclude<
    ErrorCode,
    "HTTPS_REQUIRED" | "SERVICE_UNAVAILABLE" | "RATE_LIMIT_EXCEEDED" | "RANGE_NOT_SATISFIABLE"
  >,
  () => Promise<Answer>
> = {
  VALIDATION_ERROR: () => ask("POST", "/trips", { body: {} }),
  UNAUTHORIZED: () => ask("GET", "/trips", { token: "" }),
  FORBIDDEN: () => ask("GET", "/trips", { deviceId: crypto.randomUUID() }),
  NOT_FOUND: () => ask("GET", "/trips/nothing"),
  METHOD_NOT_ALLOWED: () => ask("PATCH", "/trips"),
  VERSION_CONFLICT: async () => {
    await ask("POST", "/trips", { body: trip({ id: "t" }) });
    return ask("PUT", "/trips/t", { body: { name: "B", expectedVersion: 0 } });
  },
  CONFLICT: () => sendRegister(server, { email: ada.email }),
  PAYLOAD_TOO_LARGE: () => ask("POST", "/trips", { body: " ".repeat(1024 * 1024 + 1) }),
  UNSUPPORTED_MEDIA_TYPE: () =>
    ask("POST", "/trips", { body: "x", headers: { "Content-Type": "text/plain" } }),
  INTERNAL_SERVER_ERROR: () => withoutTable("trips", () => ask("GET", "/trips")),
};

test.each(Object.entries(ways))("%s has the shape that phones read", async (code, way) => {
  expectError(await way(), code as ErrorCode);
});

test("a stale version says which one it is and which one it should be, as numbers", async () => {
  const { currentVersion, expectedVersion } = (await ways.VERSION_CONFLICT()).json;
  expect(expectedVersion).toBe(0);
  expect(currentVersion).toBe((await ask("GET", "/trips/t")).json.serverVersion);
});

test("a failure of ours is in the log under its id, and the next request is well", async () => {
  const answer = await ways.INTERNAL_SERVER_ERROR();
  const lines = server.logs.filter(({ requestId }) => requestId === answer.json.requestId);
  expect(lines.map(({ level }) => level).sort()).toEqual(["error", "info"]);
  expect(lines.find(({ level }) => level === "error")?.err).toMatchObject({ cause: { code: "42P01" } });
  expect((await ask("GET", "/trips")).status).toBe(200);
});

describe("the one renderer", () => {
  test.each(Object.keys(errorStatus) as ErrorCode[])("%s", async (code) => {
    const response = errorResponse(new AppError(code, "It is so", { details: { field: "is wrong" } }), "id");
    expect(response.status).toBe(errorStatus[code]);
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(await response.json()).toEqual({
      error: code,
      message: "It is so",
      details: { field: "is wrong" },
      timestamp: expect.stringMatching(/Z$/),
      requestId: "id",
    });
  });

  test.each([
    ["an ordinary error", new Error("secret")],
    ["one that names a status", Object.assign(new Error("secret"), { status: 200, code: "VALIDATION" })],
    ["a text", "secret"],
    ["nothing", undefined],
    ["null", null],
    ["an object", { message: "secret" }],
    [
      "a statement that failed",
      new Error("Failed query: secret", { cause: Object.assign(new Error("x"), { code: "23505" }) }),
    ],
  ])("%s becomes a plain 500", async (_what, thrown) => {
    const told = toAppError(thrown);
    expect([told.code, told.status]).toEqual(["INTERNAL_SERVER_ERROR", 500]);
    expect(await errorResponse(told, null).text()).not.toContain("secret");
  });

  test.each(["CONNECTION_CLOSED", "ECONNREFUSED", "57P01", "53300", "40001", "40P01", "08006"])(
    "%s of the database becomes 503, to be asked again",
    (code) => {
      const told = toAppError(new Error("Failed query", { cause: Object.assign(new Error("x"), { code }) }));
      expect(told.code).toBe("SERVICE_UNAVAILABLE");
      expect(Number(errorResponse(told, null).headers.get("retry-after"))).toBeGreaterThan(0);
    },
  );
});
