import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { sql } from "drizzle-orm";
import { connect, type DatabaseClient, parseDatabaseUrl } from "../../src/database/client.ts";
import { login, statusOf } from "../accounts/people.ts";
import { type PictureServer, startPictureServer, upload } from "../storage/picture-server.ts";
import { Device, type Json, newDevice } from "../support/sync-client.ts";
import { photo, track, visit } from "../support/sync-entities.ts";
import { until } from "../support/until.ts";
import { createAccount, type Empty, everythingOf, exported, newFolder, runImport } from "./importing.ts";

/* `trailglass import` as a process beside a server that runs. */
setDefaultTimeout(60_000);

let server: PictureServer;
let client: DatabaseClient;
let folder: Awaited<ReturnType<typeof newFolder>>;
let source: Device;
let path: string;
let account: Empty;

beforeAll(async () => {
  server = await startPictureServer("directory");
  client = connect(parseDatabaseUrl(server.databaseUrl), 2);
  folder = await newFolder();
  source = await newDevice(server);
  await source.sync({
    placeVisits: [visit("visit")],
    photos: [photo("photo")],
    locations: track(300, "point"),
  });
  await upload(source, "photo");
  path = await folder.write((await exported(source)).bytes);
});
afterAll(async () => {
  await client?.close();
  await server?.stop();
  await folder?.remove();
});
beforeEach(async () => {
  account = await createAccount(server);
});

/** Somebody holds the account's counter, as a phone does that writes. @returns what ends it, with what was written or without */
async function hold(): Promise<(writes?: boolean) => Promise<void>> {
  const lock = await client.sql.reserve();
  await lock`BEGIN`;
  await lock`SELECT FROM sync_versions WHERE user_id = ${account.userId} FOR UPDATE`;
  return async (writes = false) => {
    const { userId } = account;
    if (writes)
      await lock`INSERT INTO trip_members (user_id, trip_id, member_kind, member_id, version) VALUES (${userId}, 't', 'photos', 'p', 1)`;
    await lock.unsafe(writes ? "COMMIT" : "ROLLBACK");
    lock.release();
  };
}

const waitingFor = async (count: number) => {
  const waiting = await client.sql`
    SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`;
  return waiting.length >= count;
};
const somebodyWaits = () => waitingFor(1);

test("an account that is not there, and how to make it", async () => {
  const { code, err } = await runImport(server, "nobody@example.org", path);
  expect([code, err]).toEqual([
    1,
    'trailglass: There is no account with the email nobody@example.org. "trailglass create-user nobody@example.org" makes one.\n',
  ]);
  expect((await server.run(["import", path])).code).toBe(64);
});

test("shows how far it is on a terminal", async () => {
  const { code, screen } = await server.runOnTerminal(["import", "--user", account.email, path]);
  expect([code, screen]).toEqual([0, expect.stringContaining("Reading the journal")]);
  expect(screen).toContain("303 rows, 1 picture.");
});

test("waits for a phone that writes, while others go on; nothing is to be seen before all is there", async () => {
  const letGo = await hold();
  const importing = runImport(server, account.email, path);
  await until(somebodyWaits);
  expect(await everythingOf(server.context.db, account.userId)).toMatchObject({
    devices: [],
    place_visits: [],
  });
  await source.sync({ placeVisits: [visit("meanwhile")] });
  await letGo();
  expect((await importing).code).toBe(0);
  const rows = await everythingOf(server.context.db, account.userId);
  expect(rows.place_visits?.map(({ id }) => id)).toEqual(["visit"]);
});

test("what a phone wrote in the meantime stays, and nothing is imported over it", async () => {
  const letGo = await hold();
  const importing = runImport(server, account.email, path);
  await until(somebodyWaits);
  await letGo(true);
  const { code, err } = await importing;
  expect([code, err]).toEqual([1, expect.stringContaining("has a journal already")]);
  const { trip_members: members = [], ...rest } = await everythingOf(server.context.db, account.userId);
  expect([members.length, Object.values(rest).flat()]).toEqual([1, []]);
});

test("two at once: one of them is refused, and leaves nothing behind", async () => {
  const letGo = await hold();
  const both = [runImport(server, account.email, path), runImport(server, account.email, path)];
  await until(
    async () => (await client.sql`SELECT FROM unreferenced_objects WHERE owner_id IS NULL`).length === 2,
  );
  await until(somebodyWaits);
  await letGo();
  const outcomes = await Promise.all(both);
  expect(outcomes.map(({ code }) => code).toSorted()).toEqual([0, 1]);
  expect(outcomes.find(({ code }) => code === 1)?.err).toContain("has a journal already");
  expect(await client.sql`SELECT FROM unreferenced_objects WHERE owner_id IS NULL`).toHaveLength(0);
  expect((await server.run(["storage", "check"])).code).toBe(0);
});

test("killed before the end it changes nothing, and the books have its pictures", async () => {
  const letGo = await hold();
  const child = server.spawn(["import", "--user", account.email, path]);
  await until(somebodyWaits);
  child.kill("SIGKILL");
  await child.exited;
  await letGo();
  expect(Object.values(await everythingOf(server.context.db, account.userId)).flat()).toEqual([]);
  const keys = await client.sql`SELECT key FROM unreferenced_objects WHERE owner_id IS NULL`;
  expect(keys).toHaveLength(1);
  await client.sql`UPDATE unreferenced_objects SET due_at = now()`;
  await server.context.sweeper.run();
  expect(await server.context.storage.stat(keys[0]?.key)).toBeNull();
  expect((await runImport(server, account.email, path)).code).toBe(0);
});

test("a database that goes away changes nothing", async () => {
  const letGo = await hold();
  const importing = runImport(server, account.email, path);
  await until(somebodyWaits);
  await client.sql`
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`;
  expect(await importing).toMatchObject({ code: 69, err: expect.stringContaining("The database went away") });
  await letGo();
  expect(Object.values(await everythingOf(server.context.db, account.userId)).flat()).toEqual([]);
  expect(await client.sql`SELECT FROM unreferenced_objects WHERE owner_id IS NULL`).toHaveLength(0);
});

test("a database user who may not make temporary tables is told what is needed", async () => {
  const database = new URL(server.databaseUrl).pathname.slice(1);
  const role = `narrow_${crypto.randomUUID().slice(0, 8)}`;
  await client.sql.unsafe(`REVOKE TEMPORARY ON DATABASE ${database} FROM PUBLIC; CREATE ROLE ${role} LOGIN PASSWORD 'p';
    GRANT pg_read_all_data, pg_write_all_data TO ${role}`);
  try {
    const url = new URL(server.databaseUrl);
    url.username = role;
    url.password = "p";
    const outcome = await server.run(["import", "--user", account.email, path], { DATABASE_URL: url.href });
    expect([outcome.code, outcome.err]).toEqual([1, expect.stringContaining("GRANT TEMPORARY")]);
  } finally {
    await client.sql.unsafe(
      `GRANT TEMPORARY ON DATABASE ${database} TO PUBLIC; DROP OWNED BY ${role}; DROP ROLE ${role}`,
    );
  }
});

test("a phone that has signed in already stays signed in", async () => {
  const early = new Device(server, await login(server, account, source.id));
  await early.sync();
  const rowOf = () =>
    source.rows<Json>(sql`SELECT to_jsonb(d) AS row FROM devices d WHERE user_id = ${account.userId}`);
  const before = await rowOf();
  expect((await runImport(server, account.email, path)).code).toBe(0);
  expect(await rowOf()).toEqual(before);
  expect(await statusOf(server, early.person)).toBe(200);
  const { remoteChanges } = await early.sync();
  expect(remoteChanges.locations).toHaveLength(300);
});
