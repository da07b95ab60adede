import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { migrations } from "../../migrations/index.ts";
import { type Manifest, objectName, tableName, writeManifest } from "../../src/backup/manifest.ts";
import { restoreBackup, restoringName } from "../../src/backup/restore.ts";
import { leftOut } from "../../src/backup/tables.ts";
import { connect, parseDatabaseUrl } from "../../src/database/client.ts";
import { migrate } from "../../src/database/migrator.ts";
import { takeStatistics } from "../../src/health/daily-statistics.ts";
import type { ObjectStorage } from "../../src/storage/storage.ts";
import { login, refresh, register, statusOf } from "../accounts/people.ts";
import { printCatalog, readCatalog } from "../database/catalog.ts";
import {
  newPicture,
  type PictureServer,
  setAvatar,
  startPictureServer,
  upload,
} from "../storage/picture-server.ts";
import { program } from "../support/program.ts";
import { createTestDatabase } from "../support/shared-postgres.ts";
import { hasS3Server } from "../support/storages.ts";
import { Device, type Json } from "../support/sync-client.ts";
import {
  deleted,
  envelope,
  location,
  minute,
  photo,
  track,
  trip,
  tripDay,
  visit,
} from "../support/sync-entities.ts";
import type { TestServer } from "../support/test-server.ts";
import { type BackupFolder, backUp, flip, newFolder, rowsOf } from "./journal.ts";
import { failureOf, listLeftovers, newTarget, readCounters, readRows, type Target } from "./restoring.ts";

setDefaultTimeout(60_000);

/** What COPY, SQL and JSON each have their own idea of. */
const awkward = `tab\there, \\N, \\., a 'quote', "two", a \\ back\r\nslash, 😀 ünï, $$, \u2028, ${"é".repeat(40)}`;

let source: PictureServer;
let backup: BackupFolder;
let manifest: Manifest;
let ada: Device;
let bob: Device;
let picture: Uint8Array<ArrayBuffer>;
let shown: Json;
const targets: Target[] = [];

const target = async (...wanted: Parameters<typeof newTarget>) => {
  const made = await newTarget(...wanted);
  targets.push(made);
  return made;
};

/** All of it has to be taken. */
async function say(device: Device, changes: Record<string, unknown>, more = {}): Promise<void> {
  const { rejected } = await device.sync(changes, more);
  expect(Object.values(rejected).flat()).toEqual([]);
}

/** A journal with everything in it that a restore could stumble over. */
async function writeMuch(): Promise<void> {
  picture = newPicture(300_000);
  const extreme = {
    latitude: -0,
    longitude: 180,
    altitude: 1e-300,
    speed: 5e-324,
    accuracy: 1.7976931348623157e308,
  };
  await say(ada, {
    locations: [
      ...track(300, "track"),
      location("edge", { ...extreme, timestamp: "1969-12-31T23:59:59.999999Z" }),
    ],
    placeVisits: [visit("visit", { notes: awkward, placeName: "" }), visit("gone")],
    trips: [
      trip("trip", { name: awkward, countries: ["", "a\tb\\N"] }),
      trip("quarrel", { notes: "😀".repeat(9_999) }),
    ],
    photos: [photo("photo", { exifData: { iso: 100, note: awkward } }), photo("deleted")],
    tripDays: [tripDay("day", "trip", "2025-04-02", { notes: awkward })],
  });
  await say(ada, { placeVisits: [deleted(visit("gone"), { localVersion: 2, serverVersion: ada.cursor })] });
  shown = await upload(ada, "photo", picture);
  await upload(ada, "deleted");
  await ada.call("DELETE", "/photos/deleted");
  await setAvatar(ada);
  const members = { photos: ["photo"], placeVisits: ["visit"], expectedVersion: await ada.counter() };
  await ada.call("PUT", "/trips/trip", { ...trip("trip", { name: awkward }), ...members });
  const other = await ada.another();
  const { conflicts } = await other.sync({
    trips: [trip("quarrel", { localVersion: 2, lastModified: minute(9) })],
  });
  expect(conflicts).toHaveLength(1);
  const client = connect(parseDatabaseUrl(source.databaseUrl), 1);
  await client.sql`UPDATE sync_conflicts SET local_side = jsonb_build_object('notes', repeat('é\t"', 1000000))`;
  await client.close();
  const sealed = [envelope("sealed", "secret"), envelope("sealed-too", "secret".repeat(20_000))];
  await say(bob, { trips: sealed }, { isEncrypted: true });
}

beforeAll(async () => {
  source = await startPictureServer("directory");
  ada = new Device(source, await register(source));
  bob = new Device(source, await register(source));
  await writeMuch();
  await takeStatistics(source.context.db);
  backup = await newFolder();
  manifest = await backUp(source, backup.files);
});

afterAll(async () => {
  for (const made of targets) await made.drop();
  await source?.stop();
  await backup?.remove();
});

const sourceSql = async <T>(work: (sql: ReturnType<typeof connect>["sql"]) => Promise<T>): Promise<T> => {
  const client = connect(parseDatabaseUrl(source.databaseUrl), 1);
  return work(client.sql).finally(() => client.close());
};

/** A storage in which something happens before anything is written. */
const before = (storage: ObjectStorage, what: () => Promise<unknown>) =>
  new Proxy(storage, {
    get(to, name) {
      const method = Reflect.get(to, name, to);
      if (typeof method !== "function") return method;
      if (name !== "put") return method.bind(to);
      return (...given: unknown[]) => what().then(() => method.apply(to, given));
    },
  });

/** A device of the source as it speaks to another server. */
const moved = (device: Device, server: TestServer) => new Device(server, device.person);

/** A link of this server; one of a bucket leads there. */
const fetchPath = (server: TestServer, url: string) => {
  const { pathname, search } = new URL(url);
  return fetch(pathname.startsWith("/storage/") ? server.url + pathname + search : url);
};

async function expectAsItWas(made: Target): Promise<void> {
  const [before, after] = [await sourceSql((sql) => readRows(sql)), await readRows(made.client.sql)];
  expect(Object.keys(before).filter((name) => !Bun.deepEquals(before[name], after[name]))).toEqual([]);
  expect(await listLeftovers(made.client.sql)).toEqual([]);
  const was = await sourceSql(readCounters);
  for (const [user, { version, epoch }] of await readCounters(made.client.sql)) {
    expect(version).toBe((was.get(user)?.version ?? 0) + 1_000_000);
    expect(epoch).not.toBe(was.get(user)?.epoch ?? epoch);
  }
}

const elsewhere = ["database", ...(hasS3Server() ? (["s3"] as const) : []), "directory"] as const;

describe("a whole restore", () => {
  test("the journal has rows in every table that people fill", () => {
    const empty = manifest.tables.filter(({ rows }) => rows === 0).map(({ name }) => name);
    expect(empty.sort()).toEqual(["invites", "password_reset_tokens", "photo_attachments", "settings"]);
  });

  test.each(elsewhere)("into the storage %s everything is as it was", async (backend) => {
    const made = await target(backend);
    const report = await made.restore(backup.files, manifest);
    expect(report).toMatchObject({ accounts: 2, pictures: 2, missing: 0 });
    await expectAsItWas(made);
    const server = await made.serve();
    const again = moved(ada, server);
    const open = await again.call("GET", "/photos/photo");
    expect(await (await fetchPath(server, open.url)).bytes()).toEqual(picture);
    const thumbnail = await fetchPath(server, open.thumbnailUrl);
    expect([thumbnail.status, thumbnail.headers.get("content-type")]).toEqual([200, "image/webp"]);
    const avatar = await again.call("GET", "/user/profile");
    expect((await fetchPath(server, avatar.profilePhotoUrl)).status).toBe(200);
    // A link that was signed before the machine was lost.
    expect((await fetchPath(server, shown.url)).status).toBe(200);
    await server.stop();
  });

  test("passwords, access tokens and refresh tokens from before work", async () => {
    const made = await target();
    await made.restore(backup.files, manifest);
    const server = await made.serve();
    expect(await statusOf(server, ada.person)).toBe(200);
    expect((await refresh(server, ada.person.refreshToken, ada.id)).status).toBe(200);
    expect((await login(server, ada.person)).userId).toBe(ada.person.userId);
  });

  test("the schema is that of a new database, its triggers and keys in force", async () => {
    const made = await target();
    await made.restore(backup.files, manifest);
    const fresh = await createTestDatabase();
    const client = connect(parseDatabaseUrl(fresh.url), 1);
    expect(printCatalog(await readCatalog(made.client.sql))).toBe(
      printCatalog(await readCatalog(client.sql)),
    );
    await client.close();
    await fresh.drop();
    const { sql } = made.client;
    expect((await failureOf(sql`UPDATE trips SET server_version = 1`)).message).toContain("must grow");
    expect((await failureOf(sql`UPDATE sync_versions SET version = 1`)).message).toContain(
      "never runs backwards",
    );
    expect(
      (
        await failureOf(
          sql`INSERT INTO photo_files (user_id, photo_id, sha256) SELECT id, 'none', '\\x00' FROM users`,
        )
      ).message,
    ).toContain("foreign key");
    await sql`DELETE FROM users`;
    const left = await readRows(sql);
    expect(Object.keys(left).filter((name) => left[name]?.length)).toEqual([
      "signing_keys",
      "server_secrets",
      "daily_statistics",
    ]);
  });

  test("into a schema that is not public, beside tables of somebody else", async () => {
    const made = await target();
    const { sql } = made.client;
    const database = new URL(made.url).pathname.slice(1);
    await sql.unsafe(`CREATE TABLE public.notes (text text); INSERT INTO public.notes VALUES ('mine');
      CREATE SCHEMA "My ""own"" schema"; ALTER DATABASE ${database} SET search_path = "My ""own"" schema"`);
    await made.restore(backup.files, manifest);
    expect(await sql`SELECT text FROM public.notes`).toMatchObject([{ text: "mine" }]);
    const [row] =
      await sql`SELECT count(*)::int AS tables FROM pg_tables WHERE schemaname = 'My "own" schema'`;
    expect(row?.tables).toBe(manifest.tables.length + leftOut.length);
    expect(await listLeftovers(sql)).toEqual([]);
    const server = await made.serve();
    expect((await moved(ada, server).call("GET", "/photos/photo")).id).toBe("photo");
  });

  test("of a backup of an older schema brings the schema up to date", async () => {
    const older = await target();
    const { db, sql } = older.client;
    await migrate(db, migrations.slice(0, 1));
    const [eve, phone] = [crypto.randomUUID(), crypto.randomUUID()];
    await sql`INSERT INTO users (id, email, display_name) VALUES (${eve}, 'eve@example.org', ${awkward.slice(0, 90)})`;
    await sql`INSERT INTO sync_versions (user_id, version) VALUES (${eve}, 7)`;
    await sql`INSERT INTO devices (user_id, device_id, device_name, platform, os_version, app_version)
      VALUES (${eve}, ${phone}, 'Pixel', 'Android', '15', '1')`;
    await sql`INSERT INTO trips (user_id, id, device_id, server_version, edited_version, name)
      VALUES (${eve}, 'old', ${phone}, 7, 7, ${awkward})`;
    const folder = await newFolder();
    const storage = { ...source.context.storage } as never;
    const old = await backUp({ context: { db, storage } } as never, folder.files);
    expect(old.schema).toBe(1);
    const made = await target();
    await made.restore(folder.files, old);
    expect(await made.client.sql`SELECT name, server_version::int AS v FROM trips`).toMatchObject([
      { name: awkward, v: 7 },
    ]);
    expect((await readCounters(made.client.sql)).get(eve)?.version).toBe(1_000_007);
    expect(await made.client.sql`SELECT number FROM schema_migrations`).toHaveLength(migrations.length);
    await made.serve();
    await folder.remove();
  });
});

describe("what is there", () => {
  test("is not replaced unless that is wanted", async () => {
    const made = await target();
    await made.restore(backup.files, manifest);
    const before = await readRows(made.client.sql);
    const refusal = await failureOf(made.restore(backup.files, manifest));
    expect(refusal.message).toBe(
      "The database is not empty: it has 2 accounts. --replace puts the backup in its place",
    );
    expect(await readRows(made.client.sql)).toEqual(before);
    expect(await listLeftovers(made.client.sql)).toEqual([]);
  });

  test("goes when it is replaced, and its pictures after a day; what both have stays", async () => {
    const made = await target();
    await made.restore(backup.files, manifest);
    const server = await made.serve();
    const again = moved(ada, server);
    await upload(again, "newer");
    await again.sync({ trips: [trip("later")] });
    const [kept] = await made.client.sql`SELECT count(*)::int AS n FROM stored_objects`;
    expect(kept?.n).toBe(2);
    await server.stop();
    await made.restore(backup.files, manifest, { replace: true });
    expect(await made.client.sql`SELECT id FROM trips WHERE id = 'later'`).toHaveLength(0);
    const due = await made.client
      .sql`SELECT key FROM unreferenced_objects WHERE due_at > now() + interval '23 hours'`;
    expect(due).toHaveLength(1);
    const restarted = await made.serve();
    const open = await moved(ada, restarted).call("GET", "/photos/photo");
    expect(await (await fetchPath(restarted, open.url)).bytes()).toEqual(picture);
    await restarted.stop();
  });

  test("may be of a newer program, whose upgrade is taken back: it can be made again", async () => {
    const made = await target();
    await made.restore(backup.files, manifest);
    const number = migrations.length + 1;
    const text = `
      CREATE FUNCTION newer() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
      CREATE TABLE newer (user_id uuid REFERENCES users ON DELETE CASCADE);
      ALTER TABLE trips ADD COLUMN newer text;
      CREATE TRIGGER newer BEFORE UPDATE ON trips FOR EACH ROW EXECUTE FUNCTION newer()`;
    const newer = [...migrations, { number, name: "newer", sql: text }];
    await migrate(made.client.db, newer);
    expect((await failureOf(made.restore(backup.files, manifest))).message).toContain(
      "older than the database",
    );
    await made.restore(backup.files, manifest, { replace: true });
    expect(await listLeftovers(made.client.sql)).toEqual([]);
    await (await made.serve()).stop();
    expect((await migrate(made.client.db, newer)).map(({ name }) => name)).toEqual(["newer"]);
  });

  test("of another program is left alone", async () => {
    const made = await target();
    await made.client.sql.unsafe(
      "CREATE TABLE users (mine int); INSERT INTO users VALUES (1); CREATE TABLE schema_migrations (version text)",
    );
    for (const replace of [false, true]) {
      const refusal = await failureOf(made.restore(backup.files, manifest, { replace }));
      expect(refusal.message).toContain("tables of another program (schema_migrations, users)");
    }
    expect(await made.client.sql`SELECT mine FROM users`).toMatchObject([{ mine: 1 }]);
  });

  test("is not replaced when others have built on it", async () => {
    const made = await target();
    await made.restore(backup.files, manifest);
    await made.client.sql.unsafe(
      "CREATE VIEW report AS SELECT email FROM users; CREATE TABLE mine (owner uuid REFERENCES users)",
    );
    const refusal = await failureOf(made.restore(backup.files, manifest, { replace: true }));
    expect(refusal.message).toContain("refer to what is to be replaced (mine, report)");
    expect(await made.client.sql`SELECT email FROM report`).toHaveLength(2);
    await made.client.sql.unsafe("DROP VIEW report; DROP TABLE mine");
    await made.restore(backup.files, manifest, { replace: true });
  });

  test("is not replaced under a running server, nor under one that starts in the middle", async () => {
    const made = await target();
    await migrate(made.client.db, migrations);
    const server = await made.serve();
    await server.request("GET", "/health");
    await register(server);
    const running = await failureOf(made.restore(backup.files, manifest, { replace: true }));
    expect(running.message).toContain("A server runs on this database: stop it first");
    await server.stop();
    let started: TestServer | undefined;
    const begin = async () => {
      started ??= await made.serve();
      await register(started);
    };
    const beginning: Promise<void>[] = [];
    const progress = {
      begin: (step: string) => {
        if (step === "Bringing back pictures") beginning.push(begin());
      },
      advance() {},
    };
    const late = await failureOf(
      made.restore(backup.files, manifest, {
        replace: true,
        progress,
        through: (storage) => before(storage, () => Promise.all(beginning)),
      }),
    );
    expect(late.message).toContain("A server runs on this database");
    expect(await made.client.sql`SELECT 1 FROM users`).toHaveLength(2);
    expect(await listLeftovers(made.client.sql)).toEqual([]);
    await started?.stop();
  });

  test("is restored by one at a time", async () => {
    const made = await target();
    const outcomes = await Promise.allSettled([
      made.restore(backup.files, manifest),
      made.restore(backup.files, manifest),
    ]);
    const refusals = outcomes
      .filter((outcome) => outcome.status === "rejected")
      .map(({ reason }) => String(reason.message));
    expect(refusals).toEqual(["Another restore is under way on this database"]);
    await expectAsItWas(made);
  });

  test("a database user who may not make schemas, or tables, is told so before anything is read", async () => {
    const made = await target();
    const role = `r${crypto.randomUUID().replaceAll("-", "")}`;
    await made.client.sql.unsafe(
      `CREATE ROLE ${role} LOGIN; GRANT CREATE, USAGE ON SCHEMA public TO ${role}`,
    );
    const asRole = { ...made, url: made.url.replace("//postgres@", `//${role}@`) };
    const limited = connect(
      { ...parseDatabaseUrl(asRole.url), user: role, applicationName: restoringName() },
      2,
    );
    const parts = {
      files: backup.files,
      manifest,
      key: null,
      database: limited,
      openStorage: async () => source.context.storage,
      replace: false,
      salvage: false,
    };
    expect((await failureOf(restoreBackup(parts))).message).toContain("may not make schemas");
    await made.client.sql.unsafe(`REVOKE CREATE ON SCHEMA public FROM ${role}`);
    expect((await failureOf(restoreBackup(parts))).message).toContain("may not make tables");
    await limited.close();
    await made.client.sql.unsafe(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
  });
});

describe("a damaged backup", () => {
  /** A copy of the backup to spoil. */
  async function copy(): Promise<BackupFolder> {
    const folder = await newFolder();
    await Bun.$`cp -r ${backup.path}/. ${folder.path}`.quiet();
    return folder;
  }
  const original = () =>
    manifest.objects.find(({ key }) => key.startsWith("originals/")) ?? manifest.objects[0];
  const nameOf = () => objectName(manifest, original()?.sha256 ?? "");

  test.each(["table", "picture", "picture gone", "manifest"])("a %s: nothing is restored", async (part) => {
    const folder = await copy();
    const made = await target();
    if (part === "table") await flip(join(folder.path, tableName(manifest, "trips")));
    if (part === "picture") await flip(join(folder.path, nameOf()));
    if (part === "picture gone") await rm(join(folder.path, nameOf()));
    if (part === "manifest") await flip(join(folder.path, "snapshots", manifest.id, "manifest.json"));
    const child = Bun.spawnSync([...program, "restore", "--dir", folder.path], { env: made.environment() });
    const said = child.stderr.toString();
    const advice =
      part === "manifest"
        ? "manifest"
        : part === "table"
          ? "try an older one"
          : "--salvage restores everything but these pictures";
    expect(said).toContain(advice);
    expect(said).toContain("damaged");
    expect(said).not.toContain("unexpected");
    expect(child.exitCode).toBe(1);
    expect(await made.client.sql`SELECT 1 FROM pg_tables WHERE schemaname = 'public'`).toHaveLength(0);
    expect(await listLeftovers(made.client.sql)).toEqual([]);
    await folder.remove();
  });

  test("--salvage leaves the damaged picture out, and its phone may bring it again", async () => {
    const folder = await copy();
    await flip(join(folder.path, nameOf()));
    const made = await target();
    const report = await made.restore(folder.files, manifest, { salvage: true });
    expect(report).toMatchObject({ pictures: 1, missing: 1 });
    const server = await made.serve();
    const again = moved(ada, server);
    expect((await again.call("GET", "/photos/photo")).url).toBeNull();
    const { url } = await upload(again, "photo", picture);
    expect(await (await fetchPath(server, url)).bytes()).toEqual(picture);
    await folder.remove();
  });

  test("of a newer program is refused", async () => {
    const folder = await copy();
    const newer = { ...manifest, schema: 99, program: { version: "9.0.0", commit: "x" } };
    await writeManifest(folder.files, newer);
    const made = await target();
    const refusal = await failureOf(made.restore(folder.files, newer));
    expect(refusal.message).toContain("was made by trailglass 9.0.0 and has schema 99");
    await folder.remove();
  });

  test("rows that no longer fit are found while they are loaded, and the next attempt goes through", async () => {
    const made = await target();
    const spoiled = {
      ...manifest,
      tables: manifest.tables.map((entry) =>
        entry.name === "photos" ? { ...entry, columns: entry.columns.toReversed() } : entry,
      ),
    };
    await failureOf(made.restore(backup.files, spoiled));
    expect(await listLeftovers(made.client.sql)).toEqual([]);
    await made.restore(backup.files, manifest);
    await expectAsItWas(made);
    expect((await rowsOf(backup.files, manifest, "trips")).map(({ name }) => name).join()).toContain("\\t");
  });
});
