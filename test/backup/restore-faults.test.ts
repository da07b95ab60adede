import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generateIdentity, identityToRecipient } from "age-encryption";
import type { Manifest } from "../../src/backup/manifest.ts";
import { register } from "../accounts/people.ts";
import { newPicture, type PictureServer, startPictureServer, upload } from "../storage/picture-server.ts";
import { program } from "../support/program.ts";
import { Device } from "../support/sync-client.ts";
import { photo, track, trip } from "../support/sync-entities.ts";
import { type BackupFolder, backUp, newFolder } from "./journal.ts";
import { failureOf, listLeftovers, newTarget, processesIn, readRows, type Target } from "./restoring.ts";

setDefaultTimeout(90_000);

let source: PictureServer;
let older: BackupFolder;
let folder: BackupFolder;
let before: Manifest;
let manifest: Manifest;
let ada: Device;
const targets: Target[] = [];
const folders: string[] = [];

beforeAll(async () => {
  source = await startPictureServer("directory");
  ada = new Device(source, await register(source));
  await ada.sync({ trips: [trip("before")], photos: [photo("photo")] });
  older = await newFolder();
  before = await backUp(source, older.files);
  await ada.sync({ locations: track(3_000, "track"), trips: [trip("after")] });
  for (let index = 0; index < 6; index++) await upload(ada, `picture-${index}`, newPicture(400_000));
  folder = await newFolder();
  manifest = await backUp(source, folder.files);
});

afterAll(async () => {
  for (const made of targets) await made.drop();
  await source?.stop();
  await older?.remove();
  await folder?.remove();
  for (const path of folders) await rm(path, { recursive: true, force: true });
});

/** A target with an older state, which is to be replaced. */
async function used(): Promise<Target> {
  const made = await newTarget("directory");
  targets.push(made);
  await made.restore(older.files, before);
  return made;
}

const begin = (made: Target, ...more: string[]) =>
  Bun.spawn([...program, "restore", "--dir", folder.path, "--replace", "--yes", ...more], {
    env: made.environment(),
    stdout: "ignore",
    stderr: "pipe",
  });

/** Waits until something is printed. */
async function untilSaid(child: ReturnType<typeof begin>, words: string): Promise<void> {
  let said = "";
  for await (const piece of child.stderr) {
    said += new TextDecoder().decode(piece);
    if (said.includes(words)) return;
  }
  throw new Error(`it never said ${words}, but ${said}`);
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 30_000; !(await holds()); await Bun.sleep(10))
    if (Date.now() > deadline) throw new Error("it never came to that");
}

const isWaiting = async (made: Target, what: string) =>
  (
    await made.client.sql`SELECT FROM pg_stat_activity WHERE datname = current_database()
      AND application_name LIKE 'trailglass restore%' AND wait_event = ${what}`
  ).length > 0;

const tripsOf = async (made: Target) =>
  (await made.client.sql`SELECT id FROM trips ORDER BY id`).map(({ id }) => id);

/** Once more, and this time to the end; what the killed one did may not be over yet. */
async function finish(made: Target): Promise<void> {
  await until(
    async () =>
      (
        await made.client
          .sql`SELECT FROM pg_stat_activity WHERE application_name LIKE 'trailglass restore%' AND datname = current_database()`
      ).length === 0,
  );
  await made.restore(folder.files, manifest, { replace: true });
  expect(await tripsOf(made)).toEqual(["after", "before"]);
  expect(await listLeftovers(made.client.sql)).toEqual([]);
  const rows = await readRows(made.client.sql);
  expect(rows.location_samples).toHaveLength(3_000);
}

describe("killed with kill -9", () => {
  test.each(["Reading the backup", "Filling the database", "Bringing back pictures"])(
    "at %p: all is as it was",
    async (step) => {
      const made = await used();
      const was = await readRows(made.client.sql);
      const child = begin(made);
      await untilSaid(child, step);
      child.kill("SIGKILL");
      await child.exited;
      expect(await readRows(made.client.sql)).toEqual(was);
      const server = await made.serve();
      expect((await new Device(server, ada.person).call("GET", "/trips/before")).id).toBe("before");
      await server.stop();
      await finish(made);
    },
  );

  test("right before the exchange: all is as it was", async () => {
    const made = await used();
    const was = await readRows(made.client.sql);
    const holder = await made.client.sql.reserve();
    await holder`BEGIN`;
    await holder`SELECT FROM trips`;
    const child = begin(made);
    await until(() => isWaiting(made, "relation"));
    child.kill("SIGKILL");
    await child.exited;
    await holder`ROLLBACK`;
    holder.release();
    // The statement that waited goes on in the database; its transaction does not.
    await until(async () => !(await isWaiting(made, "relation")));
    expect(await readRows(made.client.sql)).toEqual(was);
    await finish(made);
  });

  test("right after the exchange: all is new, and what was replaced goes with the next restore", async () => {
    const made = await used();
    await made.client.sql.unsafe(`
      CREATE FUNCTION wait_at_drop() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
        IF current_query() LIKE '%trailglass_re%' AND to_regnamespace('trailglass_replaced') IS NOT NULL THEN PERFORM pg_sleep(60); END IF;
      END $$;
      CREATE EVENT TRIGGER at_drop ON ddl_command_start WHEN TAG IN ('DROP SCHEMA') EXECUTE FUNCTION wait_at_drop()`);
    const child = begin(made);
    await until(() => isWaiting(made, "PgSleep"));
    child.kill("SIGKILL");
    await child.exited;
    await made.client.sql.unsafe("DROP EVENT TRIGGER at_drop; DROP FUNCTION wait_at_drop");
    await made.client
      .sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'`;
    expect(await tripsOf(made)).toEqual(["after", "before"]);
    expect(await listLeftovers(made.client.sql)).toEqual(expect.arrayContaining(["trailglass_replaced"]));
    const server = await made.serve();
    const { url } = await new Device(server, ada.person).call("GET", "/photos/picture-0");
    expect((await fetch(url)).status).toBe(200);
    await server.stop();
    await finish(made);
  });
});

describe("what goes away in the middle", () => {
  test.each(["Filling the database", "Bringing back pictures"])(
    "the database at %p: all is as it was",
    async (step) => {
      const made = await used();
      const was = await readRows(made.client.sql);
      let killing: Promise<unknown> | undefined;
      const progress = {
        begin: (name: string) => {
          if (name === step)
            killing = made.client.sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE application_name LIKE 'trailglass restore%' AND datname = current_database()`.then();
        },
        advance() {},
      };
      const failure = await failureOf(
        made.restore(folder.files, manifest, { replace: true, progress }),
      ).catch(() => null);
      await killing;
      // Whoever was quick enough did not notice.
      if (failure) {
        expect(failure.constructor.name).toBe("DatabaseUnavailableError");
        expect(await readRows(made.client.sql)).toEqual(was);
      }
      await finish(made);
    },
  );

  test("the storage: all is as it was, and the next attempt brings only the rest", async () => {
    const made = await used();
    const was = await readRows(made.client.sql);
    const objects = join(made.config.dataDir, "objects");
    let brought = 0;
    const progress = {
      begin: (name: string) => {
        brought = name === "Bringing back pictures" ? 1 : 0;
      },
      advance() {
        if (brought > 0 && ++brought === 3)
          Bun.spawnSync(["sh", "-c", `mv "$0" "$0.away" && echo > "$0"`, objects]);
      },
    };
    const failure = await failureOf(made.restore(folder.files, manifest, { replace: true, progress }));
    expect(failure.constructor.name).toBe("StorageAwayError");
    expect(await readRows(made.client.sql)).toEqual(was);
    expect(await listLeftovers(made.client.sql)).toEqual([]);
    Bun.spawnSync(["sh", "-c", `rm "$0" && mv "$0.away" "$0"`, objects]);
    await finish(made);
  });

  test("room on the disk of the pictures: it says so, and all is as it was", async () => {
    const made = await used();
    const was = await readRows(made.client.sql);
    const objects = join(made.config.dataDir, "objects");
    await rm(objects, { recursive: true });
    await mkdir(objects);
    const mounted = Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", objects]);
    if (mounted.exitCode !== 0) return console.log("no right to mount: a full disk is not tested here");
    const child = begin(made);
    const said = await child.stderr.text();
    const code = await child.exited;
    Bun.spawnSync(["umount", objects]);
    expect({ said, code }).toEqual({ said: expect.stringMatching(/^trailglass: .*disk.* full/im), code: 73 });
    expect(await readRows(made.client.sql)).toEqual(was);
    await finish(made);
  });

  test("the person: Ctrl-C leaves all as it was", async () => {
    const made = await used();
    const was = await readRows(made.client.sql);
    const child = begin(made);
    await untilSaid(child, "Filling the database");
    child.kill("SIGINT");
    expect(await child.exited).toBe(130);
    expect(await readRows(made.client.sql)).toEqual(was);
    expect(await listLeftovers(made.client.sql)).toEqual([]);
  });
});

describe("the embedded database", () => {
  async function freshFolder(): Promise<{ dataDir: string; env: Record<string, string> }> {
    const dataDir = await mkdtemp(join(tmpdir(), "tg-embedded-"));
    await chmod(dataDir, 0o755);
    folders.push(dataDir);
    return { dataDir, env: { PATH: process.env.PATH ?? "", DATA_DIR: dataDir, STORAGE_BACKEND: "database" } };
  }
  const run = async (env: Record<string, string>, ...args: string[]) => {
    const child = Bun.spawn([...program, ...args], { env, stdout: "pipe", stderr: "pipe" });
    const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
    return { code: await child.exited, out, err };
  };

  test("is made, filled, left in peace while a server runs, and taken over after kill -9", async () => {
    const { dataDir, env } = await freshFolder();
    const killed = Bun.spawn([...program, "restore", "--dir", folder.path], {
      env,
      stdout: "ignore",
      stderr: "pipe",
    });
    await untilSaid(killed as never, "Filling the database");
    killed.kill("SIGKILL");
    await killed.exited;
    expect(processesIn(dataDir)).not.toEqual([]);
    const outcome = await run(env, "restore", "--dir", folder.path);
    expect(outcome).toMatchObject({ code: 0 });
    expect(outcome.out).toContain("Restored 1 account");
    expect(processesIn(dataDir)).toEqual([]);
    expect((await run(env, "list-users", "--json")).out).toContain(ada.person.email);
    expect((await run(env, "storage", "check")).code).toBe(0);
    expect((await run(env, "restore", "--dir", folder.path)).err).toContain(
      "--replace puts the backup in its place",
    );
    const serving = Bun.spawn([...program, "serve"], {
      env: { ...env, APP_PORT: "0", APP_HOST: "127.0.0.1", ALLOW_PLAIN_HTTP: "true" },
      stdout: "pipe",
      stderr: "ignore",
    });
    for await (const piece of serving.stdout)
      if (new TextDecoder().decode(piece).includes("listening")) break;
    const refused = await run(env, "restore", "--dir", folder.path, "--replace", "--yes");
    expect(refused).toMatchObject({ code: 69, err: expect.stringContaining("stop it first") });
    serving.kill("SIGTERM");
    await serving.exited;
    expect(processesIn(dataDir)).toEqual([]);
  });
});

describe("an encrypted backup", () => {
  test("opens with its passphrase, or its private key, and with no other", async () => {
    const [locked, keyed] = [await newFolder(), await newFolder()];
    const identity = await generateIdentity();
    await backUp(source, locked.files, { passphrase: "correct horse" });
    await backUp(source, keyed.files, { recipient: await identityToRecipient(identity) });
    const made = await newTarget("directory");
    targets.push(made);
    const secrets = await mkdtemp(join(tmpdir(), "tg-secrets-"));
    folders.push(secrets, locked.path, keyed.path);
    const file = async (name: string, text: string) => {
      await writeFile(join(secrets, name), text);
      return join(secrets, name);
    };
    const run = (place: string, ...args: string[]) => {
      const child = Bun.spawnSync([...program, "restore", "--dir", place, ...args], {
        env: made.environment(),
      });
      return { code: child.exitCode, err: child.stderr.toString() };
    };
    expect(run(locked.path)).toMatchObject({ code: 78, err: expect.stringContaining("give the passphrase") });
    const wrong = await file("wrong", "battery staple\n");
    expect(run(locked.path, "--passphrase-file", wrong)).toMatchObject({
      code: 78,
      err: expect.stringContaining("does not open"),
    });
    expect(run(keyed.path)).toMatchObject({ code: 78, err: expect.stringContaining("--identity") });
    const other = await file("other.key", `${await generateIdentity()}\n`);
    const refused = run(keyed.path, "--identity", other);
    expect(refused).toMatchObject({ code: 78, err: expect.stringContaining("made for another key") });
    expect(run(locked.path, "--passphrase-file", await file("right", "correct horse\n"))).toMatchObject({
      code: 0,
    });
    const key = await file("mine.key", `# created: today\n${identity}\n`);
    expect(run(keyed.path, "--identity", key, "--replace", "--yes")).toMatchObject({ code: 0 });
    expect(await tripsOf(made)).toEqual(["after", "before"]);
    expect(await readFile(key, "utf8")).toContain("AGE-SECRET-KEY");
  });
});
