import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { sql } from "drizzle-orm";
import { LocalFiles } from "../../src/backup/local-files.ts";
import { listSnapshots, readManifest } from "../../src/backup/manifest.ts";
import { verifySnapshot } from "../../src/backup/verify.ts";
import {
  keyOf,
  newPicture,
  type PictureServer,
  startPictureServer,
  upload,
} from "../storage/picture-server.ts";
import { type HeldTransaction, holdTransaction } from "../support/held-transaction.ts";
import { program } from "../support/program.ts";
import { type Device, newDevice } from "../support/sync-client.ts";
import { type BackupFolder, backUp, flip, namesIn, newFolder, writeJournal } from "./journal.ts";

let server: PictureServer;
let device: Device;
let folder: BackupFolder;

beforeAll(async () => {
  server = await startPictureServer("database");
  device = await newDevice(server);
  await writeJournal(device);
  await upload(device, crypto.randomUUID(), newPicture(200_000));
});
afterAll(() => server.stop());
beforeEach(async () => {
  folder = await newFolder();
});
afterEach(() => folder.remove());

const settings = () => ({ BACKUP_DIR: folder.path });
const run = (args: string[], env: Record<string, string> = {}) =>
  server.run(["backup", ...args], { ...settings(), ...env });
const ids = () => listSnapshots(folder.files);
const partials = async () => (await namesIn(folder.path)).filter((name) => name.endsWith(".partial"));

async function expectWhole(): Promise<void> {
  for (const id of await ids()) expect((await verifySnapshot(folder.files, id)).findings).toEqual([]);
}

/** Tables that nobody can read for now: a backup stops there. */
function block(table: string): Promise<HeldTransaction> {
  return holdTransaction(server, (tx) => tx.execute(sql`LOCK TABLE ${sql.identifier(table)}`));
}

/** Waits until something is so; the test runs out of time when it never is. */
async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await Bun.sleep(20);
}

/** Waits until a backup writes a file of which it gets no bytes. */
const untilWriting = (file: string) =>
  until(async () => (await partials()).some((name) => name.includes(file)));

describe("trailglass backup", () => {
  test("makes one, lists it, verifies it and prunes, for people and for scripts", async () => {
    const made = await run([]);
    expect(made).toMatchObject({ code: 0 });
    expect(made.out).toMatch(/^Backup \S+ in \/\S+: \d+ rows and 1 picture \(\S+ kB\), in [\d.]+ s\.\n$/);
    const json = JSON.parse((await run(["create", "--json"])).out);
    expect(json).toMatchObject({
      complete: true,
      encrypted: false,
      pictures: 1,
      missing: [],
      secondCopy: null,
    });
    expect((await run(["verify", "--json"])).code).toBe(0);
    // Of one day the newest stays.
    const listed = JSON.parse((await run(["list", "--json"])).out);
    expect(listed).toMatchObject([
      { id: json.id, complete: true, encrypted: false, pictures: 1, proven: null },
    ]);
    expect(Date.now() - Date.parse(listed[0].verified)).toBeLessThan(60_000);
    expect((await run(["list"])).out).toMatch(/complete, in clear, verified .* ago, not proven/);
    expect((await run(["prune", "--dry-run"])).out).toBe("Would remove 0 files (0 bytes); kept 1 backup.\n");
  });

  test("encrypts when it is told to, and never makes one in clear instead", async () => {
    const secret = join(folder.path, "..", `${crypto.randomUUID()}.txt`);
    await Bun.write(secret, "a passphrase of several words\n");
    const made = JSON.parse((await run(["--json"], { BACKUP_PASSPHRASE_FILE: secret })).out);
    expect(made.encrypted).toBe(true);
    expect((await run([])).code).toBe(78);
    const wrong = await run([], { BACKUP_PASSPHRASE: "another passphrase" });
    expect([wrong.code, wrong.err]).toEqual([78, expect.stringContaining("does not open the backups in")]);
    expect((await run([], { BACKUP_PASSPHRASE_FILE: "/nowhere/at/all" })).code).toBe(78);
    expect((await run(["verify"])).out).toContain("without its key, nothing was decrypted");
    expect((await run(["verify", "--passphrase-file", secret])).code).toBe(0);
    expect(await ids()).toEqual([made.id]);
    await rm(secret);
  });

  test("puts the env file in when asked, and warns when that is in clear", async () => {
    const env = join(folder.path, "..", `${crypto.randomUUID()}.env`);
    await Bun.write(env, "JWT_ISSUER=mine\n");
    const made = await run(["create", "--with-env", "--config", env]);
    expect(made).toMatchObject({ code: 0, err: expect.stringContaining("in clear, with all its secrets") });
    const [id = ""] = await ids();
    expect((await readManifest(folder.files, id)).env?.content.size).toBe(16);
    expect((await run(["--with-env"])).code).toBe(1);
    await rm(env);
  });

  test("refuses options that make no sense", async () => {
    for (const args of [
      ["--force"],
      ["--archive", "x.zip", "--dir", "y"],
      ["verify", "some-id", "--all"],
      ["prune", "--keep-daily", "many"],
    ])
      expect([args, (await run(args)).code]).toEqual([args, 64]);
    expect(await namesIn(folder.path)).toEqual([]);
  });

  test("makes an archive", async () => {
    const path = join(folder.path, "carry.zip");
    expect(await run(["--archive", path])).toMatchObject({ code: 0 });
    expect(await run(["verify", "--archive", path])).toMatchObject({ code: 0 });
    expect((await run(["--archive", path])).code).toBe(1);
    expect((await run(["--archive", path, "--force"])).code).toBe(0);
    expect(await namesIn(folder.path)).toEqual(["carry.zip"]);
  });
});

describe("what goes wrong", () => {
  test("a picture that cannot be had: the backup is kept, and 1", async () => {
    const other = await newDevice(server);
    const id = crypto.randomUUID();
    await upload(other, id, newPicture(1_000));
    const key = (await keyOf(other, id)) ?? "";
    await server.context.storage.delete(key);
    const made = await run([]);
    expect([made.code, made.out, made.err]).toEqual([
      1,
      expect.stringContaining(`missing   ${key}`),
      expect.stringContaining("The backup is kept, but 1 picture it should have cannot be read."),
    ]);
    expect((await run(["list"])).out).toContain("incomplete");
    await device.rows(sql`DELETE FROM users WHERE id = ${other.person.userId}`);
  });

  test("another one under way: 75, and a second database's backup as well", async () => {
    const unlock = await folder.files.lock();
    const busy = await run([]);
    expect([busy.code, busy.err]).toEqual([75, expect.stringContaining("Another backup is being made in")]);
    await unlock();
    const held = await holdTransaction(server, (tx) =>
      tx.execute(sql`SELECT pg_advisory_xact_lock(${0x6261636b})`),
    );
    expect((await run([])).code).toBe(75);
    await held.commit();
    expect(await ids()).toEqual([]);
    expect((await run([])).code).toBe(0);
  });

  test("a database that goes away in between: 69, and what was there is whole", async () => {
    const before = await backUp(server, folder.files);
    const held = await block("photos");
    const running = run([]);
    await untilWriting("tables/photos.");
    await device.rows(sql`
      SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND wait_event_type = 'Lock'`);
    const away = await running;
    await held.commit();
    expect([away.code, away.err]).toEqual([69, expect.stringContaining("The database went away")]);
    expect(await ids()).toEqual([before.id]);
    expect(await partials()).toEqual([]);
    await expectWhole();
  });

  test.each([
    ["photos", "tables/photos."],
    ["stored_chunks", "objects/"],
  ])("kill -9 while %s are read", async (table, file) => {
    const before = await backUp(server, folder.files);
    const added = newPicture(3_000_000);
    await upload(device, crypto.randomUUID(), added);
    const held = await block(table);
    const child = server.spawn(["backup"], settings());
    await untilWriting(file);
    child.kill("SIGKILL");
    await child.exited;
    await held.commit();
    expect(await ids()).toEqual([before.id]);
    await expectWhole();
    expect((await run([])).code).toBe(0);
    // What was cut off is gone, and today's newer one took the other's place.
    const after = await ids();
    expect(after).not.toContain(before.id);
    expect(after).toHaveLength(1);
    expect(await partials()).toEqual([]);
    await expectWhole();
  });

  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("%s in the middle: ends cleanly with %d", async (signal, code) => {
    const before = await backUp(server, folder.files);
    await upload(device, crypto.randomUUID(), newPicture(600_000));
    const held = await block("stored_chunks");
    const child = server.spawn(["backup"], settings());
    await untilWriting("objects/");
    child.kill(signal);
    const err = child.stderr.text();
    // It does not wait for what it was reading.
    await until(async () => (await partials()).length === 0);
    await held.commit();
    const ended = await child.exited;
    expect([ended, await err]).toEqual([code, expect.stringContaining("trailglass: Stopped.")]);
    expect(await ids()).toEqual([before.id]);
    expect(await partials()).toEqual([]);
    await expectWhole();
  });

  test("damage: verify says what, 1, and repair lets the next backup mend it", async () => {
    await run([]);
    const name = (await namesIn(folder.path)).find((found) => found.startsWith("objects/")) ?? "";
    await flip(join(folder.path, name));
    const found = await run(["verify"]);
    expect([found.code, found.out]).toEqual([1, expect.stringContaining(`damaged   ${name}`)]);
    expect((await run(["list"])).out).toContain("not verified");
    expect((await run(["verify", "--repair"])).out).toContain("Removed 1 damaged picture");
    expect((await run([])).code).toBe(0);
    expect((await run(["verify", "--all"])).code).toBe(0);
  });
});

/** A disk of a megabyte; null where nobody may mount one. It is taken away also while a file of it is still open. */
function mountSmallDisk(path: string): (() => void) | null {
  const mount = Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", path], {
    stderr: "ignore",
  });
  return mount.exitCode === 0 ? () => void Bun.spawnSync(["umount", "-l", path]) : null;
}

describe("a full disk", () => {
  test("73, and older backups are whole", async () => {
    const unmount = mountSmallDisk(folder.path);
    try {
      // Text compresses well; the picture below does not.
      const small = await startPictureServer("directory");
      try {
        const person = await newDevice(small);
        await upload(person, crypto.randomUUID(), newPicture());
        await backUp(small, folder.files);
        const random = Buffer.concat([newPicture(), crypto.getRandomValues(Buffer.alloc(60_000))]);
        for (let index = 0; index < 25; index++) {
          const more = Buffer.concat([random, Buffer.alloc(16, index)]);
          await upload(person, crypto.randomUUID(), new Uint8Array(more));
        }
        const full = unmount ? await small.run(["backup"], settings()) : await runWithLimit(small, 100);
        expect([full.code, full.err]).toEqual([73, expect.stringContaining("is full")]);
      } finally {
        await small.stop();
      }
      expect(await ids()).toHaveLength(1);
      expect(await partials()).toEqual([]);
      await expectWhole();
    } finally {
      unmount?.();
    }
  });

  test("a limit of the size of files: the same", async () => {
    const before = await backUp(server, folder.files);
    await upload(device, crypto.randomUUID(), newPicture(900_000));
    const full = await runWithLimit(server, 500);
    expect([full.code, full.err]).toEqual([73, expect.stringContaining("is full")]);
    expect(await ids()).toEqual([before.id]);
    expect(await partials()).toEqual([]);
    await expectWhole();
  });
});

/** Runs the command where no file may have more than so many kB. */
async function runWithLimit(on: PictureServer, kilobytes: number) {
  const script = `trap "" XFSZ; ulimit -f ${kilobytes * 2}; exec "$@"`;
  const env = {
    PATH: process.env.PATH ?? "",
    DATABASE_URL: on.databaseUrl,
    DATA_DIR: on.config.dataDir,
    STORAGE_BACKEND: on.config.storageBackend,
    ...settings(),
  };
  const child = Bun.spawn(["sh", "-c", script, "sh", ...program, "backup"], {
    env,
    cwd: folder.path,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  return { code: await child.exited, out, err };
}

test("a place that is a file, or belongs to somebody else, is said", async () => {
  const path = join(folder.path, "file");
  await Bun.write(path, "x");
  const refused = await run(["--dir", join(path, "below")]);
  expect([refused.code, refused.err]).toEqual([73, expect.stringContaining("cannot be used (ENOTDIR)")]);
  expect(existsSync(path)).toBe(true);
  expect(await listSnapshots(new LocalFiles(join(folder.path, "nowhere")))).toEqual([]);
});
