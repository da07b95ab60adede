import { afterAll, beforeAll, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { startTestServer, type TestServer } from "../support/test-server.ts";
import { goodPassword, type Person, refresh, register, sendLogin, sendRegister, statusOf } from "./people.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.stop());

const erase = (who: Person, body: unknown) =>
  server.request("DELETE", "/user", { token: who.accessToken, deviceId: who.deviceId, body });

async function addPoint(who: Person): Promise<void> {
  await server.context.db.execute(sql`
    INSERT INTO location_samples (user_id, id, device_id, server_version, edited_version, timestamp, latitude, longitude)
    VALUES (${who.userId}, 'sample_1', ${who.deviceId}, 1, 1, now(), 48, 11)`);
}

/** Tables that still hold a row of an account. */
async function tablesWith(userId: string): Promise<string[]> {
  const { db } = server.context;
  const tables = await db.execute<{ name: string }>(sql`
    SELECT table_name AS name FROM information_schema.columns
    WHERE table_schema = 'public' AND column_name = 'user_id' ORDER BY 1`);
  expect(tables.length).toBeGreaterThan(10);
  const found = [];
  for (const { name } of tables) {
    const rows = await db.execute(
      sql`SELECT 1 FROM ${sql.identifier(name)} WHERE user_id = ${userId} LIMIT 1`,
    );
    if (rows.length > 0) found.push(name);
  }
  return found;
}

test("erases the account and everything it owns, and nothing else", async () => {
  const person = await register(server);
  const neighbour = await register(server, person.deviceId);
  await addPoint(person);
  await addPoint(neighbour);
  expect(await tablesWith(person.userId)).toContain("location_samples");
  const before = await tablesWith(neighbour.userId);
  const answer = await erase(person, { password: goodPassword });
  expect(answer.status).toBe(204);
  expect(await tablesWith(person.userId)).toEqual([]);
  expect(await tablesWith(neighbour.userId)).toEqual(before);
  expect(await statusOf(server, person)).toBe(401);
  expect((await refresh(server, person.refreshToken, person.deviceId)).status).toBe(401);
  expect((await sendLogin(server, person)).status).toBe(401);
  expect(await statusOf(server, neighbour)).toBe(200);
  expect((await sendRegister(server, { email: person.email })).status).toBe(201);
});

test("a wrong password is 403 and erases nothing", async () => {
  const person = await register(server);
  expect((await erase(person, { password: "wrong password" })).status).toBe(403);
  expect((await erase(person, { password: "" })).status).toBe(403);
  expect((await erase(person, undefined)).status).toBe(400);
  expect(await statusOf(server, person)).toBe(200);
});

test("waits for a write of the same account instead of meeting it in a deadlock", async () => {
  const person = await register(server);
  const { db } = server.context;
  let erased: Promise<unknown> = Promise.resolve();
  await db.transaction(async (tx) => {
    await tx.execute(sql`SELECT 1 FROM sync_versions WHERE user_id = ${person.userId} FOR UPDATE`);
    erased = erase(person, { password: goodPassword });
    while ((await db.execute(sql`SELECT 1 FROM pg_locks WHERE NOT granted`)).length === 0) await Bun.sleep(5);
    await tx.execute(sql`
      INSERT INTO trips (user_id, id, device_id, server_version, edited_version)
      VALUES (${person.userId}, 'trip_1', ${person.deviceId}, 1, 1)`);
  });
  expect(await erased).toMatchObject({ status: 204 });
});
