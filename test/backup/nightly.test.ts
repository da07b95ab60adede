import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "drizzle-orm";
import { LocalFiles } from "../../src/backup/local-files.ts";
import { listSnapshots } from "../../src/backup/manifest.ts";
import { makeNightlyBackup } from "../../src/backup/nightly.ts";
import { writeProof } from "../../src/backup/status.ts";
import { BackupWatch } from "../../src/backup/watch.ts";
import { instantHasher } from "../accounts/people.ts";
import { holdTransaction } from "../support/held-transaction.ts";
import { newDevice } from "../support/sync-client.ts";
import { startTestServer, type TestServer } from "../support/test-server.ts";
import { writeJournal } from "./journal.ts";

let server: TestServer;
let dataDir: string;
const files = () => new LocalFiles(join(dataDir, "backups"));
const logged = () => server.logs.splice(0).map(({ level, msg }) => [level, msg]);

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "tg-nightly-"));
  server = await startTestServer({ dataDir, logLevel: "info" }, { hasher: instantHasher });
  await writeJournal(await newDevice(server));
});
afterAll(async () => {
  await server.stop();
  await rm(dataDir, { recursive: true, force: true });
});

describe("the backup of the night", () => {
  test("is made while people go on, and leaves a line in the log", async () => {
    const held = await holdTransaction(server, (tx) => tx.execute(sql`LOCK TABLE photos`));
    logged();
    const making = makeNightlyBackup(server.context);
    expect((await server.request("GET", "/health")).status).toBe(200);
    await held.commit();
    await making;
    const line = server.logs.find(({ msg }) => msg === "made a backup");
    expect(line).toMatchObject({ level: "info", pictures: 0, removed: 0 });
    expect(Number(line?.rows)).toBeGreaterThan(50);
    expect(Number(line?.bytes)).toBeGreaterThan(1000);
    expect(await listSnapshots(files())).toEqual([String(line?.id)]);
  });

  test("is left out while another one is made", async () => {
    const unlock = await files().lock();
    logged();
    await makeNightlyBackup(server.context);
    await unlock();
    expect(logged()).toEqual([["warn", "no backup was made: another one is being made"]]);
  });

  test("that fails says why", async () => {
    logged();
    const config = { ...server.config, backupDir: "/dev/null/nowhere" };
    await expect(makeNightlyBackup({ ...server.context, config })).rejects.toThrow("ENOTDIR");
    expect(logged()).toEqual([["error", "no backup was made: /dev/null/nowhere cannot be used (ENOTDIR)"]]);
  });
});

describe("health", () => {
  test("tells how old the newest backup is, and when one was proven", async () => {
    const [id = ""] = await listSnapshots(files());
    await writeProof(files(), id, "proven");
    const known = await new BackupWatch(join(dataDir, "backups")).look();
    expect(known).toMatchObject({ status: "ok" });
    for (const at of [known?.newest, known?.lastProven])
      expect(Date.now() - Date.parse(at ?? "")).toBeLessThan(600_000);
  });

  test("is as good without any", async () => {
    const nothing = { status: "none", newest: null, lastProven: null } as const;
    expect(await new BackupWatch(join(dataDir, "nowhere")).look()).toEqual(nothing);
    expect(await new BackupWatch("/dev/null/nowhere").look()).toEqual(nothing);
    const answer = await server.request("GET", "/health");
    expect([answer.status, answer.json.status]).toEqual([200, "ok"]);
    expect(answer.json.components.backup).toMatchObject({ latencyMs: expect.any(Number) });
  });
});
