import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { deleteExpiredTokens } from "../../src/accounts/expired-tokens.ts";
import { readStatistics, takeStatistics } from "../../src/health/daily-statistics.ts";
import { deleteOldConflicts } from "../../src/sync/old-conflicts.ts";
import { instantHasher, refresh } from "../accounts/people.ts";
import { type Device, newDevice } from "../support/sync-client.ts";
import { startTestServer, type TestServer } from "../support/test-server.ts";

let server: TestServer;
let phone: Device;
beforeAll(async () => {
  server = await startTestServer({}, { hasher: instantHasher });
  phone = await newDevice(server);
});
afterAll(() => server.stop());
const run = <Row extends Record<string, unknown>>(statement: ReturnType<typeof sql>) =>
  server.context.db.execute<Row>(statement);

test("every scheduled kind has a time that comes, and a name of its own", () => {
  const { work } = server.context;
  expect(new Set(work.map(({ kind }) => kind)).size).toBe(work.length);
  const scheduled = work.filter(({ at }) => at !== null).map(({ kind }) => kind);
  expect(scheduled).toContain("backup");
  expect(scheduled).toContain("sweep");
});

describe("tokens", () => {
  test("that nobody can use any more go; a used one stays as long as it would have been good", async () => {
    const { person } = phone;
    const next = (await refresh(server, person.refreshToken, person.deviceId)).json;
    expect(await run(sql`SELECT 1 FROM refresh_tokens`)).toHaveLength(2);
    await deleteExpiredTokens(server.context.db);
    expect(await run(sql`SELECT 1 FROM refresh_tokens`)).toHaveLength(2);
    await run(
      sql`UPDATE refresh_tokens SET expires_at = now() - interval '25 hours' WHERE used_at IS NOT NULL`,
    );
    await deleteExpiredTokens(server.context.db);
    expect(await run(sql`SELECT 1 FROM refresh_tokens`)).toHaveLength(1);
    expect((await refresh(server, next.refreshToken, person.deviceId)).status).toBe(200);
  });
});

describe("conflicts", () => {
  const keep = async (days: number, status: string, owed: boolean) => {
    const id = crypto.randomUUID();
    const { userId, deviceId } = phone.person;
    await run(sql`
      INSERT INTO sync_conflicts (user_id, id, device_id, kind, entity_id, conflict_type, suggestion, local_side, remote_side,
        remote_version, status, owed, resolved_at)
      VALUES (${userId}, ${id}, ${deviceId}, 'trips', 't', 'CONCURRENT_MODIFICATION', 'MANUAL', '{}', '{}', 1, ${status},
        ${owed}, ${status === "open" ? null : sql`now() - make_interval(days => ${days})`})`);
    return id;
  };

  test("stay readable for 90 days after they are settled, and as long as somebody is owed", async () => {
    const [, ...stay] = [
      await keep(91, "resolved", false),
      await keep(89, "resolved", false),
      await keep(91, "resolved", true),
      await keep(0, "open", false),
    ];
    await deleteOldConflicts(server.context.db);
    const left = await run<{ id: string }>(sql`SELECT id FROM sync_conflicts`);
    expect(left.map(({ id }) => id).sort()).toEqual(stay.sort());
  });
});

test("a day's statistics count what is there, and not what was deleted", async () => {
  const point = {
    timestamp: "2025-11-17T10:00:00.000Z",
    latitude: 47.5,
    longitude: 8.5,
    accuracy: 5,
    provider: "GPS",
  };
  const { person } = phone;
  const ask = (method: string, path: string, body?: unknown) =>
    server.request(method, path, {
      token: person.accessToken,
      deviceId: person.deviceId,
      ...(body ? { body } : {}),
    });
  const locations = ["a", "b"].map((id, index) => ({ ...point, id, latitude: 47 + index }));
  await ask("POST", "/locations/batch", { deviceId: person.deviceId, locations });
  await ask("DELETE", "/locations/a");
  await takeStatistics(server.context.db);
  expect(await readStatistics(server.context.db, 5)).toMatchObject([{ accounts: 1, locations: 1, trips: 0 }]);
});
