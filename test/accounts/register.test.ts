import { afterAll, beforeAll, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { startTestServer, type TestServer } from "../support/test-server.ts";
import { registered } from "../support/wire.ts";
import { deviceInfo, goodPassword, register, sendRegister, statusOf } from "./people.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.stop());

const countUsers = async () => {
  const [row] = await server.context.db.execute<{ n: number }>(sql`SELECT count(*) AS n FROM users`);
  return row?.n;
};

test("answers 201 with what a phone needs, and the token works", async () => {
  const deviceId = crypto.randomUUID();
  const answer = await sendRegister(server, { email: "  Ada@Example.org ", displayName: " Ada ", deviceId });
  expect(answer.status).toBe(201);
  const body = registered.parse(answer.json);
  expect(body).toMatchObject({ email: "Ada@Example.org", displayName: "Ada", expiresIn: 900 });
  expect(Buffer.from(body.refreshToken, "base64url")).toHaveLength(32);
  expect(await statusOf(server, { ...body, deviceId })).toBe(200);
});

test("makes the account's counter with the account", async () => {
  const { userId } = await register(server);
  const rows = await server.context.db.execute(
    sql`SELECT version FROM sync_versions WHERE user_id = ${userId}`,
  );
  expect([...rows]).toEqual([{ version: 0 }]);
});

test("refuses an email that is taken, whatever its case", async () => {
  await sendRegister(server, { email: "taken@example.org" });
  const answer = await sendRegister(server, { email: "TAKEN@example.ORG" });
  expect(answer.status).toBe(409);
  expect(answer.json.error).toBe("CONFLICT");
});

test("of ten people who register one email at once, one gets it", async () => {
  const answers = await Promise.all(
    Array.from({ length: 10 }, () => sendRegister(server, { email: "race@example.org" })),
  );
  expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array(9).fill(409)]);
});

test.each([
  ["email", { email: "nobody" }],
  ["email", { email: "a b@example.org" }],
  ["email", { email: `${"a".repeat(250)}@example.org` }],
  ["email", { email: "nul\u0000@example.org" }],
  ["email", { email: null }],
  ["password", { password: "short12" }],
  ["password", { password: "x1".repeat(129) }],
  ["password", { password: "nul\u0000nul\u0000nul" }],
  ["password", { password: "Password123" }],
  ["password", { password: "zzzzzzzzzzzz" }],
  ["password", { email: "a-rather-long-name@example.org", password: "A-rather-long-name" }],
  ["password", { email: "whole@example.org", password: "whole@EXAMPLE.org" }],
  ["displayName", { displayName: "   " }],
  ["displayName", { displayName: "x".repeat(101) }],
  ["displayName", { displayName: "a\u0000b" }],
  ["deviceInfo.platform", { deviceInfo: { ...deviceInfo(crypto.randomUUID()), platform: 5 } }],
  ["deviceInfo.deviceId", { deviceInfo: deviceInfo("not-a-uuid") }],
  ["deviceInfo.deviceId", { deviceInfo: deviceInfo(crypto.randomUUID()) }],
  ["deviceInfo", { deviceInfo: null }],
])("names %s when it is wrong (%#)", async (field, body) => {
  const before = await countUsers();
  const answer = await sendRegister(server, body);
  expect(answer.status).toBe(400);
  expect(answer.json.error).toBe("VALIDATION_ERROR");
  expect(Object.keys(answer.json.details)).toEqual([field]);
  expect(await countUsers()).toBe(before);
});

test("names every wrong field at once", async () => {
  const answer = await sendRegister(server, { email: "x", password: "y", displayName: "" });
  expect(Object.keys(answer.json.details).sort()).toEqual(["displayName", "email", "password"]);
});

test("accepts the longest password, counted in characters, and nulls for optional fields", async () => {
  const answer = await sendRegister(server, { password: "😀é".repeat(128), inviteToken: null, unknown: 1 });
  expect(answer.status).toBe(201);
});

test("keeps half an emoji as the replacement character", async () => {
  const answer = await sendRegister(server, { displayName: "Ada \ud83d" });
  expect(answer.json.displayName).toBe("Ada \ufffd");
});

test("stores no password and no token in clear", async () => {
  const { userId, refreshToken } = await register(server);
  const rows = await server.context.db.execute(sql`
    SELECT c.password_hash, encode(t.token_hash, 'hex') AS hash, row_to_json(t)::text AS token
    FROM user_credentials c JOIN refresh_tokens t USING (user_id) WHERE user_id = ${userId}`);
  const stored = JSON.stringify(rows);
  expect(stored).toContain("$argon2id$v=19$m=19456,t=2,p=1$");
  expect(stored).toContain(new Bun.CryptoHasher("sha256").update(refreshToken).digest("hex"));
  expect(stored).not.toContain(goodPassword);
  expect(stored).not.toContain(refreshToken);
  expect(stored).not.toContain(Buffer.from(refreshToken).toString("hex"));
});

test("needs the device headers before it looks at the body", async () => {
  const answer = await server.request("POST", "/auth/register", { deviceId: null, body: "{" });
  expect(answer.status).toBe(400);
  expect(answer.json.details.header).toBe("X-Device-ID");
});
