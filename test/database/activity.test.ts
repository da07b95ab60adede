import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "drizzle-orm";
import { readActivity } from "../../src/database/activity.ts";
import { connect, type DatabaseClient, parseDatabaseUrl } from "../../src/database/client.ts";
import { openDatabase } from "../../src/database/open.ts";
import { createLog } from "../../src/log.ts";
import { createTestDatabase } from "../support/shared-postgres.ts";
import { testConfig } from "../support/test-server.ts";
import { until } from "../support/until.ts";

const cleanups: (() => unknown)[] = [];
afterAll(async () => {
  for (const step of cleanups.reverse()) await step();
});

async function given(): Promise<DatabaseClient> {
  const own = await createTestDatabase();
  const client = connect(parseDatabaseUrl(own.url), 3);
  cleanups.push(own.drop, () => client.close());
  return client;
}

async function embedded(): Promise<DatabaseClient> {
  const dataDir = mkdtempSync(join(tmpdir(), "trailglass-activity-"));
  chmodSync(dataDir, 0o755);
  cleanups.push(() => rmSync(dataDir, { recursive: true, force: true }));
  const log = createLog({ level: "silent", format: "json" });
  const options = { waitSeconds: 5, joinsRunning: false, onFatal: () => {} };
  const client = await openDatabase(testConfig({ dataDir }), log, options);
  cleanups.push(() => client.close());
  return client;
}

// The one that tests run on may be of another version than the one that the program brings.
describe.each([
  ["the database of the tests", given],
  ["the embedded database", embedded],
])("%s", (_what, open) => {
  test("tells of its connections, and of what it writes", async () => {
    const { db } = await open();
    const before = await readActivity(db);
    expect(before.connections.active).toBe(1);
    await db.execute(sql`CREATE TABLE filled (text text)`);
    await db.execute(sql`INSERT INTO filled SELECT repeat('x', 1000) FROM generate_series(1, 5000)`);
    // Old versions write at a checkpoint only; our own user may ask for none, and needs none.
    await db.execute(sql`CHECKPOINT`).catch(() => {});
    // Each backend tells the statistics when it finds the time.
    await until(async () => {
      const after = await readActivity(db);
      return after.walBytes - before.walBytes > 5e6 && after.fileBytes - before.fileBytes > 4e6;
    });
  });
});
