import { afterEach, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "drizzle-orm";
import { makeNightlyBackup } from "../../src/backup/nightly.ts";
import { cancel, enqueue } from "../../src/jobs/queue.ts";
import { instantHasher } from "../accounts/people.ts";
import { hurry, mailJobs } from "../email/mail-desk.ts";
import { startTestServer, type TestServer } from "../support/test-server.ts";

let server: TestServer;
const folders: string[] = [];
afterEach(async () => {
  await server.stop();
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true });
});

/** A night whose backup is tried three times, in vain. */
async function night(): Promise<void> {
  const { db, work } = server.context;
  const backup = work.find(({ kind }) => kind === "backup");
  await enqueue(db, { kind: "backup" });
  for (let attempt = 0; attempt < (backup?.attempts ?? 0); attempt++) {
    await server.context.worker.runDue();
    await hurry(server);
  }
}

const mails = async () => (await mailJobs(server)).map(({ mail }) => mail);

test("a backup that fails for good is told to the administrator, once a day", async () => {
  server = await startTestServer({ backupDir: "/dev/null/nowhere" }, { hasher: instantHasher });
  await night();
  const problem = "/dev/null/nowhere cannot be used (ENOTDIR)";
  const mail = { template: "backup-failed", to: "admin", values: { newest: null, problem } } as const;
  expect(await mails()).toEqual([mail]);
  await night();
  expect(await mails()).toEqual([mail]);
});

test("the mail says of when the newest backup is; one that was cancelled needs none", async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "tg-failure-"));
  folders.push(dataDir);
  server = await startTestServer({ dataDir }, { hasher: instantHasher });
  await makeNightlyBackup(server.context);
  const { work, db, backups } = server.context;
  const health = await backups.look();
  const backup = work.find(({ kind }) => kind === "backup");
  const job = { id: crypto.randomUUID(), kind: "backup", payload: {}, ownerId: null, attempts: 3 };
  await db.transaction((tx) => backup?.givenUp?.(tx, job, "no room") ?? Promise.resolve());
  const newest = health?.newest as string;
  expect(newest).toBeString();
  const told = { template: "backup-failed", to: "admin", values: { newest, problem: "no room" } } as const;
  expect(await mails()).toEqual([told]);
  await db.execute(sql`TRUNCATE jobs`);
  const id = (await enqueue(db, { kind: "backup" })) as string;
  expect(await db.transaction((tx) => cancel(tx, work, id))).toBe(true);
  expect(await mails()).toEqual([]);
});
