import { afterAll, beforeAll, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { startTestServer, type TestServer } from "../support/test-server.ts";
import { refreshed } from "../support/wire.ts";
import { login, type Person, refresh, register, statusOf } from "./people.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.stop());

/** Refreshes for a person, and returns them with the new pair. */
async function next(person: Person): Promise<Person> {
  const answer = await refresh(server, person.refreshToken, person.deviceId);
  expect(answer.status).toBe(200);
  return { ...person, ...refreshed.parse(answer.json) };
}

const refreshStatus = async ({ refreshToken, deviceId }: Person) =>
  (await refresh(server, refreshToken, deviceId)).status;

/** Lets time pass for the tokens of an account. */
async function age({ userId }: Person, seconds: number): Promise<void> {
  await server.context.db.execute(sql`
    UPDATE refresh_tokens SET used_at = used_at - make_interval(secs => ${seconds}),
      expires_at = expires_at - make_interval(secs => ${seconds}) WHERE user_id = ${userId}`);
}

test("gives a fresh pair; the old access token stays good until it expires", async () => {
  const person = await register(server);
  const after = await next(person);
  expect(after.refreshToken).not.toBe(person.refreshToken);
  expect(await statusOf(server, after)).toBe(200);
  expect(await statusOf(server, person)).toBe(200);
  expect(await statusOf(server, await next(after))).toBe(200);
});

test.each(["", "nonsense", "x".repeat(201), "\u0000", 5, null])("refuses %p", async (token) => {
  const answer = await server.request("POST", "/auth/refresh", { body: { refreshToken: token } });
  expect(answer.status).toBe(token === "nonsense" ? 401 : 400);
});

test("is bound to its device, and a stranger's try harms nobody", async () => {
  const person = await register(server);
  expect((await refresh(server, person.refreshToken, crypto.randomUUID())).status).toBe(401);
  const other = await login(server, person);
  expect((await refresh(server, person.refreshToken, other.deviceId)).status).toBe(401);
  await next(person);
  await next(other);
});

test("a used token, presented after the successor was used, ends the session with all its tokens", async () => {
  const first = await register(server);
  const elsewhere = await login(server, first);
  const second = await next(first);
  const third = await next(second);
  expect(await refreshStatus(first)).toBe(401);
  expect(await statusOf(server, third)).toBe(401);
  expect(await refreshStatus(third)).toBe(401);
  expect(await statusOf(server, elsewhere)).toBe(200);
  await next(elsewhere);
  const [row] = await server.context.db.execute<{ live: number }>(sql`
    SELECT count(*) AS live FROM refresh_tokens
    WHERE user_id = ${first.userId} AND device_id = ${first.deviceId} AND revoked_at IS NULL`);
  expect(row?.live).toBe(0);
});

test("the end of a session is in the log, with the device and without the token", async () => {
  const first = await register(server);
  await next(await next(first));
  await refreshStatus(first);
  const line = server.logs.find(({ level, accountId }) => level === "warn" && accountId === first.userId);
  expect(line).toMatchObject({ deviceId: first.deviceId, msg: expect.stringContaining("used twice") });
});

test("a lost answer: the same token within a minute gets another pair", async () => {
  const person = await register(server);
  await next(person);
  await age(person, 55);
  const again = await next(person);
  expect(await statusOf(server, again)).toBe(200);
  await next(again);
});

test("a repeat later than a minute ends the session", async () => {
  const person = await register(server);
  const after = await next(person);
  await age(person, 61);
  expect(await refreshStatus(person)).toBe(401);
  expect(await statusOf(server, after)).toBe(401);
  expect(await refreshStatus(after)).toBe(401);
});

test("repeats do not stretch the minute", async () => {
  const person = await register(server);
  await next(person);
  await age(person, 40);
  await next(person);
  await age(person, 40);
  expect(await refreshStatus(person)).toBe(401);
});

test("of the pairs given for one token, the first one used makes the others void", async () => {
  const person = await register(server);
  const lost = await next(person);
  const kept = await next(person);
  const later = await next(kept);
  expect(await refreshStatus(lost)).toBe(401);
  expect(await statusOf(server, later)).toBe(401);
});

test("a repeat after the successor was used ends the session, also within the minute", async () => {
  const person = await register(server);
  const after = await next(await next(person));
  expect(await refreshStatus(person)).toBe(401);
  expect(await refreshStatus(after)).toBe(401);
});

test("an expired token is refused, and that ends nothing", async () => {
  const person = await register(server);
  const after = await next(person);
  await server.context.db.execute(sql`
    UPDATE refresh_tokens SET expires_at = now() WHERE user_id = ${person.userId} AND used_at IS NULL`);
  expect(await refreshStatus(after)).toBe(401);
  expect(await statusOf(server, after)).toBe(200);
});

test("lives as long as configured, and each new one as long again", async () => {
  const person = await register(server);
  const days = async () => {
    const rows = await server.context.db.execute<{ days: number }>(sql`
      SELECT extract(epoch FROM expires_at - created_at)::float8 / 86400 AS days FROM refresh_tokens
      WHERE user_id = ${person.userId} ORDER BY created_at`);
    return rows.map((row) => row.days);
  };
  expect(await days()).toEqual([30]);
  await next(person);
  expect(await days()).toEqual([30, 30]);
});

test("tokens of a session before are worth nothing, and are cleared away", async () => {
  const before = await register(server);
  await next(before);
  const after = await login(server, before, before.deviceId);
  expect(await refreshStatus(before)).toBe(401);
  expect(await statusOf(server, after)).toBe(200);
  const rows = await server.context.db.execute(sql`
    SELECT DISTINCT session_id FROM refresh_tokens WHERE user_id = ${before.userId}`);
  expect(rows).toHaveLength(1);
});

test("expired tokens are cleared away", async () => {
  const person = await register(server);
  const after = await next(person);
  await server.context.db.execute(sql`
    UPDATE refresh_tokens SET expires_at = now() WHERE user_id = ${person.userId} AND used_at IS NOT NULL`);
  await next(after);
  const rows = await server.context.db.execute(
    sql`SELECT 1 FROM refresh_tokens WHERE user_id = ${person.userId}`,
  );
  expect(rows).toHaveLength(2);
});

test("ten refreshes at once with one token: all get a pair, one line goes on", async () => {
  const person = await register(server);
  const pairs = await Promise.all(Array.from({ length: 10 }, () => next(person)));
  expect(new Set(pairs.map(({ refreshToken }) => refreshToken)).size).toBe(10);
  const [row] = await server.context.db.execute<{ used: number; children: number }>(sql`
    SELECT count(*) FILTER (WHERE used_at IS NOT NULL) AS used, count(*) FILTER (WHERE parent_id IS NOT NULL) AS children
    FROM refresh_tokens WHERE user_id = ${person.userId}`);
  expect(row).toEqual({ used: 1, children: 10 });
  await next(pairs[3] as Person);
  expect(await refreshStatus(pairs[4] as Person)).toBe(401);
  expect(await refreshStatus(person)).toBe(401);
});

test("of several pairs given for one token and used at once, only one goes on", async () => {
  for (let round = 0; round < 5; round++) {
    const parent = await register(server);
    const pairs = await Promise.all([1, 2, 3, 4].map(() => next(parent)));
    const statuses = await Promise.all(pairs.map(refreshStatus));
    expect(statuses.sort()).toEqual([200, 401, 401, 401]);
    // The second one to arrive proved that there are two holders: nobody is signed in any more.
    expect(await statusOf(server, parent)).toBe(401);
  }
});
