import { afterAll, beforeAll, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { startTestServer, type TestServer } from "../support/test-server.ts";
import { login, type Person, refresh, register, sendRegister, statusOf } from "./people.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.stop());

const as = (who: Person) => ({ token: who.accessToken, deviceId: who.deviceId });
const decode = (token: string, part: 0 | 1) =>
  JSON.parse(Buffer.from(token.split(".")[part] ?? "", "base64url").toString());

test("an access token says who, where, by which key and for how long, and nothing else", async () => {
  const { accessToken, userId, deviceId } = await register(server);
  const claims = decode(accessToken, 1);
  expect(Object.keys(claims).sort()).toEqual(["aud", "did", "exp", "iat", "iss", "sid", "sub"]);
  expect(claims).toMatchObject({ sub: userId, did: deviceId, iss: "trailglass", aud: "trailglass-clients" });
  expect(claims.exp - claims.iat).toBeWithin(899, 902);
  expect(decode(accessToken, 0)).toMatchObject({ alg: "HS256", kid: expect.any(String) });
});

test.each([undefined, "", "nonsense", "a.b.c", "e30.e30.", "bnVsbA.e30.", `${"x".repeat(5000)}`])(
  "refuses the token %p",
  async (token) => {
    const headers = token === undefined ? {} : { Authorization: `Bearer ${token}` };
    const answer = await server.request("GET", "/user/profile", { headers });
    expect(answer.status).toBe(401);
    expect(answer.headers.get("www-authenticate")).toBe("Bearer");
  },
);

test("refuses a token whose claims or signature were changed", async () => {
  const mine = await register(server);
  const theirs = await register(server);
  const [header, , signature] = mine.accessToken.split(".");
  const forged = `${header}.${theirs.accessToken.split(".")[1]}.${signature}`;
  expect(await statusOf(server, { ...theirs, accessToken: forged })).toBe(401);
  const unsigned = `${Buffer.from('{"alg":"none"}').toString("base64url")}.${mine.accessToken.split(".")[1]}.`;
  expect(await statusOf(server, { ...mine, accessToken: unsigned })).toBe(401);
});

test("a token of another device is forbidden", async () => {
  const person = await register(server);
  const answer = await server.request("GET", "/user/profile", {
    token: person.accessToken,
    deviceId: crypto.randomUUID(),
  });
  expect(answer.status).toBe(403);
});

test("an iPhone's upper-case device id is the same device; answers have it in lower case", async () => {
  const deviceId = crypto.randomUUID().toUpperCase();
  const person = await register(server, deviceId);
  expect(await statusOf(server, person)).toBe(200);
  const lower = deviceId.toLowerCase();
  expect(await statusOf(server, { ...person, deviceId: lower })).toBe(200);
  const { json } = await server.request("GET", "/user/devices", as(person));
  expect(json.devices.map((device: { deviceId: string }) => device.deviceId)).toEqual([lower]);
  const next = await refresh(server, person.refreshToken, lower);
  expect(next.status).toBe(200);
  await login(server, person, lower);
  const again = await refresh(server, next.json.refreshToken, deviceId);
  expect(again.status).toBe(401);
});

test("two people on one phone have a device each", async () => {
  const deviceId = crypto.randomUUID();
  const first = await register(server, deviceId);
  const second = await register(server, deviceId);
  expect(await statusOf(server, first)).toBe(200);
  expect(await statusOf(server, second)).toBe(200);
  await server.request("POST", "/auth/logout", { ...as(second), body: { deviceId } });
  expect(await statusOf(server, first)).toBe(200);
  expect(await statusOf(server, second)).toBe(401);
  expect((await refresh(server, first.refreshToken, deviceId)).status).toBe(200);
});

test("logout ends the session at once, access and refresh token alike", async () => {
  const person = await register(server);
  const elsewhere = await login(server, person);
  const answer = await server.request("POST", "/auth/logout", {
    ...as(person),
    body: { deviceId: person.deviceId.toUpperCase() },
  });
  expect(answer.status).toBe(204);
  expect(answer.text).toBe("");
  expect(await statusOf(server, person)).toBe(401);
  expect((await refresh(server, person.refreshToken, person.deviceId)).status).toBe(401);
  expect(await statusOf(server, elsewhere)).toBe(200);
});

test("logout can end another device of the same account, and none of another account", async () => {
  const person = await register(server);
  const elsewhere = await login(server, person);
  const stranger = await register(server);
  const out = (deviceId: unknown) =>
    server.request("POST", "/auth/logout", { ...as(person), body: { deviceId } });
  expect((await out(elsewhere.deviceId)).status).toBe(204);
  expect((await out(stranger.deviceId)).status).toBe(204);
  expect((await out("no uuid")).status).toBe(400);
  expect(await statusOf(server, elsewhere)).toBe(401);
  expect(await statusOf(server, stranger)).toBe(200);
  expect(await statusOf(server, person)).toBe(200);
});

test("logout needs a token before it reads the body", async () => {
  expect((await server.request("POST", "/auth/logout", { body: "{" })).status).toBe(401);
});

test("lists the devices with every key a phone needs", async () => {
  const person = await register(server);
  const elsewhere = await login(server, person);
  await server.request("POST", "/auth/logout", { ...as(elsewhere), body: { deviceId: elsewhere.deviceId } });
  await server.context.db.execute(sql`
    UPDATE devices SET registered_at = '2025-01-02T03:04:05.678901Z', last_sync_at = '2025-02-03T04:05:06.5Z'
    WHERE user_id = ${person.userId} AND device_id = ${person.deviceId}`);
  const { json, status } = await server.request("GET", "/user/devices", as(person));
  expect(status).toBe(200);
  expect(json.devices).toEqual([
    {
      deviceId: person.deviceId,
      deviceName: "Pixel 8",
      platform: "Android",
      osVersion: "15",
      appVersion: "1.0.0",
      lastSyncAt: "2025-02-03T04:05:06.500Z",
      registeredAt: "2025-01-02T03:04:05.678Z",
      isActive: true,
    },
    expect.objectContaining({ deviceId: elsewhere.deviceId, isActive: false }),
  ]);
  expect(json.devices[1].lastSyncAt).toBe(json.devices[1].registeredAt);
});

test("a session whose refresh token has expired is not active", async () => {
  const person = await register(server);
  await server.context.db.execute(sql`
    UPDATE refresh_tokens SET expires_at = now() - interval '1 second' WHERE user_id = ${person.userId}`);
  const { json } = await server.request("GET", "/user/devices", as(person));
  expect(json.devices[0].isActive).toBe(false);
});

test("a revoked device is out at once, may sign in again, and stays in the list", async () => {
  const person = await register(server);
  const lost = await login(server, person);
  const path = `/user/devices/${lost.deviceId.toUpperCase()}`;
  expect((await server.request("DELETE", path, as(person))).status).toBe(204);
  expect(await statusOf(server, lost)).toBe(401);
  expect((await refresh(server, lost.refreshToken, lost.deviceId)).status).toBe(401);
  expect((await server.request("DELETE", path, as(person))).status).toBe(204);
  expect(await statusOf(server, person)).toBe(200);
  await login(server, person, lost.deviceId);
  const { json } = await server.request("GET", "/user/devices", as(person));
  expect(json.devices).toHaveLength(2);
});

test("an unknown device is not found, and another account's is as unknown", async () => {
  const person = await register(server);
  const stranger = await register(server);
  for (const id of [crypto.randomUUID(), stranger.deviceId, "no-uuid"]) {
    expect((await server.request("DELETE", `/user/devices/${id}`, as(person))).status).toBe(404);
  }
  expect(await statusOf(server, stranger)).toBe(200);
});

test("a disabled account is out at once and comes back with a new sign-in only", async () => {
  const person = await register(server);
  await server.context.accounts.setDisabled(person.userId, true);
  expect(await statusOf(server, person)).toBe(401);
  expect((await refresh(server, person.refreshToken, person.deviceId)).status).toBe(401);
  await server.context.accounts.setDisabled(person.userId, false);
  expect(await statusOf(server, person)).toBe(401);
  expect(await statusOf(server, await login(server, person))).toBe(200);
});

test("the account is looked at on every request, not only its sessions", async () => {
  const person = await register(server);
  await server.context.db.execute(sql`UPDATE users SET disabled_at = now() WHERE id = ${person.userId}`);
  expect(await statusOf(server, person)).toBe(401);
});

test("an access token expires", async () => {
  const short = await startTestServer({ accessTokenSeconds: -1 });
  try {
    const person = await sendRegister(short, { deviceId: "11111111-2222-4333-8444-555555555555" });
    expect(person.status).toBe(201);
    const answer = await short.request("GET", "/user/profile", { token: person.json.accessToken });
    expect(answer.status).toBe(401);
  } finally {
    await short.stop();
  }
});
