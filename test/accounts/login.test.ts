import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { argon2Hasher, type PasswordHasher } from "../../src/accounts/password-hasher.ts";
import { startTestServer, type TestServer } from "../support/test-server.ts";
import { loggedIn } from "../support/wire.ts";
import { deviceInfo, goodPassword, login, register, sendLogin, sendRegister, statusOf } from "./people.ts";

let verified: string[] = [];
const watched: PasswordHasher = {
  ...argon2Hasher,
  verify(password, hash) {
    verified.push(hash);
    return argon2Hasher.verify(password, hash);
  },
};

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({}, { hasher: watched });
});
afterAll(() => server.stop());
beforeEach(() => {
  verified = [];
});

test("answers what a phone needs; the email may be typed in any case", async () => {
  const { email, userId } = await register(server);
  const deviceId = crypto.randomUUID();
  const answer = await sendLogin(
    server,
    { email: ` ${email.toUpperCase()} `, password: goodPassword },
    deviceId,
  );
  expect(answer.status).toBe(200);
  const body = loggedIn.parse(answer.json);
  expect(body).toMatchObject({ userId, email, displayName: "Ada", lastSyncTimestamp: null, expiresIn: 900 });
  expect(await statusOf(server, { ...body, deviceId })).toBe(200);
});

test("a wrong password, an unknown email and a disabled account get the same answer", async () => {
  const person = await register(server);
  const disabled = await register(server);
  await server.context.accounts.setDisabled(disabled.userId, true);
  const answers = [
    await sendLogin(server, { email: person.email, password: "wrong password" }),
    await sendLogin(server, { email: "nobody@example.org", password: goodPassword }),
    await sendLogin(server, { email: "not an email", password: goodPassword }),
    await sendLogin(server, disabled),
  ];
  const told = answers.map(({ status, headers, json: { timestamp, requestId, ...body } }) => ({
    status,
    body,
    headers: [...headers.keys()].sort(),
  }));
  expect(told[0]).toMatchObject({ status: 401, body: { error: "UNAUTHORIZED", details: null } });
  for (const other of told) expect(other).toEqual(told[0] as (typeof told)[number]);
});

test("an unknown email and a disabled account cost one hash with the parameters of a real one", async () => {
  const person = await register(server);
  await server.context.accounts.setDisabled(person.userId, true);
  for (const email of ["nobody@example.org", person.email]) {
    verified = [];
    await sendLogin(server, { email, password: "wrong password" });
    expect(verified).toEqual([expect.stringMatching(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$.{43}\$.{43}$/)]);
  }
});

test("the same password composed by another keyboard fits", async () => {
  const email = "accents@example.org";
  await sendRegister(server, { email, password: "cafe\u0301 cre\u0300me" });
  expect((await sendLogin(server, { email, password: "caf\u00e9 cr\u00e8me" })).status).toBe(200);
});

test("lastSyncTimestamp is the account's last sync, from any device", async () => {
  const person = await register(server);
  await server.context.db.execute(sql`
    UPDATE devices SET last_sync_at = '2025-11-17T10:00:00.123999Z' WHERE user_id = ${person.userId}`);
  expect((await sendLogin(server, person)).json.lastSyncTimestamp).toBe("2025-11-17T10:00:00.123Z");
});

test("signing in again on a device ends the session before, and only that", async () => {
  const before = await register(server);
  const elsewhere = await login(server, before);
  const after = await login(server, before, before.deviceId);
  expect(await statusOf(server, before)).toBe(401);
  expect(await statusOf(server, after)).toBe(200);
  expect(await statusOf(server, elsewhere)).toBe(200);
});

test("notes what the device says about itself now", async () => {
  const { email, deviceId, accessToken } = await register(server);
  const told = { ...deviceInfo(deviceId), deviceName: "Ada's phone", osVersion: "16" };
  const body = { email, password: goodPassword, deviceInfo: told };
  const { json } = await server.request("POST", "/auth/login", { deviceId, body });
  const answer = await server.request("GET", "/user/devices", { deviceId, token: json.accessToken });
  expect(answer.json.devices).toEqual([expect.objectContaining(told)]);
  expect(json.accessToken).not.toBe(accessToken);
});

test("the body's device must be the header's", async () => {
  const { email, password } = await register(server);
  const body = { email, password, deviceInfo: deviceInfo(crypto.randomUUID()) };
  const answer = await server.request("POST", "/auth/login", { deviceId: crypto.randomUUID(), body });
  expect(answer.status).toBe(400);
  expect(answer.json.details).toEqual({ "deviceInfo.deviceId": expect.any(String) });
});

test("U+0000 is a bad request, not a failure of the database", async () => {
  for (const wrong of [{ email: "a\u0000@example.org" }, { password: "\u0000".repeat(9) }]) {
    const answer = await sendLogin(server, { email: "a@example.org", password: goodPassword, ...wrong });
    expect(answer.status).toBe(400);
  }
});

test("a password hashed with weaker parameters is hashed anew at sign-in", async () => {
  const { userId, email } = await register(server);
  const weak = await Bun.password.hash(goodPassword, { algorithm: "argon2id", memoryCost: 64, timeCost: 1 });
  const { db } = server.context;
  await db.execute(sql`UPDATE user_credentials SET password_hash = ${weak} WHERE user_id = ${userId}`);
  await login(server, { email, password: goodPassword });
  const read = sql`SELECT password_hash AS hash FROM user_credentials WHERE user_id = ${userId}`;
  const [first] = await db.execute<{ hash: string }>(read);
  expect(first?.hash).toStartWith("$argon2id$v=19$m=19456,t=2,p=1$");
  await login(server, { email, password: goodPassword });
  const [second] = await db.execute<{ hash: string }>(read);
  expect(second?.hash).toBe(first?.hash as string);
});

test("a wrong password never replaces a weak hash", async () => {
  const { userId, email } = await register(server);
  const weak = await Bun.password.hash(goodPassword, { algorithm: "argon2id", memoryCost: 64, timeCost: 1 });
  const { db } = server.context;
  await db.execute(sql`UPDATE user_credentials SET password_hash = ${weak} WHERE user_id = ${userId}`);
  await sendLogin(server, { email, password: "wrong password" });
  const [row] = await db.execute(
    sql`SELECT password_hash AS hash FROM user_credentials WHERE user_id = ${userId}`,
  );
  expect(row?.hash).toBe(weak);
});
