import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "drizzle-orm";
import { type Disk, readDisks, stateOfRoom } from "../../src/health/disk.ts";
import { warnOfFullDisks } from "../../src/health/disk-warning.ts";
import { mailJobs } from "../email/mail-desk.ts";
import { startTestServer, type TestServer } from "../support/test-server.ts";

const gigabyte = 1024 ** 3;

test.each([
  [0.9, 4, true],
  [0.9, 1000, true],
  [1.1, 4, false],
  [1.1, 12, true],
  [4.9, 50, true],
  [4.9, 48, false],
  [5.1, 1000, false],
])("%d of %d GB free: a warning is due: %p", (free, total, isDue) => {
  expect(stateOfRoom({ free: free * gigabyte, total: total * gigabyte }) !== "ok").toBe(isDue);
});

test("folders on one disk are one disk, also those that are not there yet", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tg-disk-"));
  const disks = await readDisks([
    { name: "DATA_DIR", path: folder },
    { name: "BACKUP_DIR", path: join(folder, "not/there/yet") },
    { name: "OTHER", path: "/proc" },
  ]);
  rmSync(folder, { recursive: true });
  expect(disks.map(({ name }) => name)).toEqual(["DATA_DIR", "OTHER"]);
  expect(disks[0]?.total).toBeGreaterThan(0);
});

describe("a warning", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer();
  });
  afterAll(() => server.stop());
  beforeEach(async () => {
    await server.context.db.execute(sql`TRUNCATE jobs`);
  });

  const disk = (name: "DATA_DIR" | "BACKUP_DIR", free: number): Disk<typeof name> => ({
    name,
    free: free * gigabyte,
    total: 100 * gigabyte,
    freeFiles: 1,
    files: 1,
  });
  const warn = (...disks: Disk<"DATA_DIR" | "BACKUP_DIR">[]) => warnOfFullDisks(server.context.db, disks);

  test("goes to the administrator, of each disk that is nearly full, once a week", async () => {
    for (let hour = 0; hour < 3; hour++) await warn(disk("DATA_DIR", 2), disk("BACKUP_DIR", 50));
    const values = { disk: "DATA_DIR", free: 2 * gigabyte, total: 100 * gigabyte } as const;
    const mail = { template: "storage-nearly-full", to: "admin", values } as const;
    expect((await mailJobs(server)).map((job) => job.mail)).toEqual([mail]);
    await warn(disk("DATA_DIR", 2), disk("BACKUP_DIR", 0.5));
    expect(await mailJobs(server)).toHaveLength(2);
    await server.context.db.execute(
      sql`UPDATE jobs SET created_at = now() - interval '7 days', state = 'dead'`,
    );
    await warn(disk("DATA_DIR", 2), disk("BACKUP_DIR", 0.5));
    expect(await mailJobs(server)).toHaveLength(4);
  });

  test("is looked after every hour", async () => {
    const kind = server.context.work.find((one) => one.kind === "watch-disk");
    expect(kind?.at).toBe("7 * * * *");
    await server.context.db.execute(sql`
      INSERT INTO jobs (id, kind, payload) VALUES (gen_random_uuid(), 'watch-disk', '{}')`);
    expect(await server.context.worker.runDue()).toBeGreaterThan(0);
    const [row] = await server.context.db.execute(sql`SELECT state FROM jobs WHERE kind = 'watch-disk'`);
    expect(row?.state).toBe("done");
  });
});
