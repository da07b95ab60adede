import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { chmod, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { streamOf } from "../../src/backup/files.ts";
import { type Manifest, tableName, writeManifest } from "../../src/backup/manifest.ts";
import { openTable } from "../../src/backup/read-snapshot.ts";
import { rehearse } from "../../src/backup/rehearse.ts";
import { readBackupStatus } from "../../src/backup/status.ts";
import { createLog } from "../../src/log.ts";
import { fingerprintOf } from "../../src/storage/fingerprint.ts";
import { register } from "../accounts/people.ts";
import { type PictureServer, startPictureServer, upload } from "../storage/picture-server.ts";
import { program } from "../support/program.ts";
import { Device } from "../support/sync-client.ts";
import { type BackupFolder, backUp, newFolder, writeJournal } from "./journal.ts";
import { failureOf, processesIn } from "./restoring.ts";

setDefaultTimeout(60_000);

let source: PictureServer;
let folder: BackupFolder;
let manifest: Manifest;
let dataDir: string;
const said: string[] = [];
const log = createLog({
  level: "trace",
  format: "json",
  destination: { write: (line) => void said.push(line) },
});

beforeAll(async () => {
  source = await startPictureServer("directory");
  const ada = new Device(source, await register(source));
  await writeJournal(ada);
  await upload(ada, "photo");
  dataDir = await mkdtemp(join(tmpdir(), "tg-rehearsal-"));
  await chmod(dataDir, 0o755);
  await Bun.write(join(dataDir, "mine"), "mine");
});

beforeEach(async () => {
  await folder?.remove();
  folder = await newFolder();
  manifest = await backUp(source, folder.files);
});

afterAll(async () => {
  await source?.stop();
  await folder?.remove();
  await rm(dataDir, { recursive: true, force: true });
});

const run = (of = manifest) => rehearse({ files: folder.files, manifest: of, key: null, dataDir, log });

async function expectNothingLeft(): Promise<void> {
  expect(processesIn(dataDir)).toEqual([]);
  const found = await readdir(dataDir);
  expect(found).toContain("mine");
  expect(found).not.toContain("rehearsal");
}

/** Changes the rows of a table as somebody would who also mends every sum. */
async function forge(name: string, change: (text: string) => string): Promise<Manifest> {
  const entry = manifest.tables.find((table) => table.name === name);
  if (!entry) throw new Error(`no ${name}`);
  const text = change(await new Response(await openTable(folder.files, manifest, entry, null)).text());
  const file = await folder.files.write(
    tableName(manifest, name),
    new Blob([await Bun.zstdCompress(text)]).stream(),
  );
  const content = await fingerprintOf(streamOf(text));
  const rows = text.split("\n").length - 1;
  const forged = {
    ...manifest,
    tables: manifest.tables.map((one) => (one === entry ? { ...one, file, content, rows } : one)),
  };
  await writeManifest(folder.files, forged);
  return forged;
}

test("proves a backup, notes it, and leaves nothing", async () => {
  expect((await readBackupStatus(folder.path)).lastProven).toBeNull();
  const report = await run();
  expect(report).toMatchObject({ id: manifest.id, pictures: 1 });
  expect(report.rows).toBe(manifest.tables.reduce((sum, { rows }) => sum + rows, 0));
  const { lastProven } = await readBackupStatus(folder.path);
  expect(Math.abs(Date.now() - (lastProven?.getTime() ?? 0))).toBeLessThan(60_000);
  await expectNothingLeft();
});

test("finds rows that do not come back as they were, although every sum is right", async () => {
  // COPY takes the other way to write a character, and gives back the usual one.
  const forged = await forge("trips", (text) => text.replace("Alps", "Alps\\x21"));
  const failure = await failureOf(run(forged));
  expect(failure.message).toBe(`Restored, the backup ${manifest.id} is not what was backed up: trips`);
  expect((await readBackupStatus(folder.path)).lastProven).toBeNull();
  await expectNothingLeft();
});

test("finds rows whose parents are missing, and pictures that are in no list", async () => {
  const forged = await forge("devices", () => "");
  expect((await failureOf(run(forged))).message).toContain("do not fit together");
  manifest = await backUp(source, folder.files);
  const without = { ...manifest, objects: [] };
  await writeManifest(folder.files, without);
  expect((await failureOf(run(without))).message).toContain("lacks 1 pictures that its tables name");
  expect((await readBackupStatus(folder.path)).lastProven).toBeNull();
  await expectNothingLeft();
});

/** A postmaster and its helpers; what makes a cluster runs alone. */
const serving = 5;

test("one at a time, also after kill -9, when it ends the database that was left running", async () => {
  const env = { PATH: process.env.PATH ?? "", DATA_DIR: dataDir, BACKUP_DIR: folder.path };
  const child = Bun.spawn([...program, "backup", "verify", "--rehearse"], {
    env,
    stdout: "ignore",
    stderr: "ignore",
  });
  for (const deadline = Date.now() + 30_000; processesIn(dataDir).length < serving && Date.now() < deadline; )
    await Bun.sleep(10);
  child.kill("SIGSTOP");
  expect((await failureOf(run())).message).toContain("Another backup is being rehearsed");
  child.kill("SIGKILL");
  await child.exited;
  expect(processesIn(dataDir)).not.toEqual([]);
  await run();
  await expectNothingLeft();
});

/** The sources may lie where an ordinary user cannot look: only the program that is one file can be brought elsewhere. */
const canBeSomebodyElse = process.getuid?.() === 0 && Bun.which("runuser") && program.length === 1;

test.skipIf(!canBeSomebodyElse)("as an ordinary user, too", async () => {
  const own = await mkdtemp(join(tmpdir(), "tg-nobody-"));
  const copy = join(own, "trailglass");
  await Bun.$`cp ${program} ${copy}`.quiet();
  await Bun.$`chown nobody ${own} && chmod -R a+rwX ${folder.path}`.quiet();
  const env = { PATH: process.env.PATH ?? "", HOME: own, DATA_DIR: own, BACKUP_DIR: folder.path };
  const child = Bun.spawn(["runuser", "-u", "nobody", "--", copy, "backup", "verify", "--rehearse"], {
    env,
    cwd: own,
    stdout: "pipe",
    stderr: "pipe",
  });
  const err = await child.stderr.text();
  expect({ code: await child.exited, err }).toMatchObject({ code: 0 });
  expect((await readBackupStatus(folder.path)).lastProven).not.toBeNull();
  expect(await readdir(own)).not.toContain("rehearsal");
  await rm(own, { recursive: true, force: true });
});
