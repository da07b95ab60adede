import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { sql } from "drizzle-orm";
import type { Manifest } from "../../src/backup/manifest.ts";
import { connect, type DatabaseClient, parseDatabaseUrl } from "../../src/database/client.ts";
import { register, sendLogin, statusOf } from "../accounts/people.ts";
import {
  keyOf,
  newPicture,
  type PictureServer,
  setAvatar,
  startPictureServer,
  upload,
} from "../storage/picture-server.ts";
import { Device } from "../support/sync-client.ts";
import { envelope, photo, track, trip, visit } from "../support/sync-entities.ts";
import { type BackupFolder, backUp, newFolder } from "./journal.ts";
import { listLeftovers, readCounters, readRows } from "./restoring.ts";

/* `restore --user` as a process beside a server that runs. */
setDefaultTimeout(60_000);

let server: PictureServer;
let folder: BackupFolder;
let client: DatabaseClient;
let manifest: Manifest;
let ada: Device;
let bob: Device;
const picture = newPicture(50_000);

beforeAll(async () => {
  server = await startPictureServer("directory");
  client = connect(parseDatabaseUrl(server.databaseUrl), 2);
  bob = new Device(server, await register(server));
  await bob.sync({ placeVisits: [visit("bob's")], locations: track(50, "bob") });
  await upload(bob, "same");
});

afterAll(async () => {
  await client?.close();
  await server?.stop();
});

/** Each test has an account of its own, with a backup of it. */
beforeEach(async () => {
  ada = new Device(server, await register(server));
  await ada.sync({
    placeVisits: [visit("visit", { notes: "first" })],
    trips: [trip("trip")],
    photos: [photo("photo")],
    locations: track(200, "ada"),
  });
  await upload(ada, "photo", picture);
  await upload(ada, "twin", picture);
  await setAvatar(ada);
  await folder?.remove();
  folder = await newFolder();
  manifest = await backUp(server, folder.files);
});
afterAll(() => folder?.remove());

const restoreAda = (...more: string[]) =>
  server.run(["restore", "--dir", folder.path, "--user", ada.person.email, ...more]);

const visitOf = async (device: Device) => (await device.call("GET", "/place-visits/visit")).notes;

async function expectPictures(device: Device): Promise<void> {
  for (const id of ["photo", "twin"]) {
    const { url, thumbnailUrl } = await device.call("GET", `/photos/${id}`);
    expect(await (await fetch(url)).bytes()).toEqual(new Uint8Array(picture));
    expect((await fetch(thumbnailUrl)).status).toBe(200);
  }
  const { profilePhotoUrl } = await device.call("GET", "/user/profile");
  expect((await fetch(profilePhotoUrl)).status).toBe(200);
}

test("an account that was erased comes back, while others go on syncing", async () => {
  const rows = await readRows(client.sql, ada.person.userId);
  const version = await ada.counter();
  const key = await keyOf(ada, "photo");
  await ada.request("DELETE", "/user", { password: ada.person.password });
  expect(await statusOf(server, ada.person)).toBe(401);
  const others = await readRows(client.sql, bob.person.userId);
  let busy = true;
  const syncing = (async () => {
    let done = 0;
    for (; busy; done++)
      await bob.sync({ trips: [trip("bob's", { name: `${done}`, localVersion: done + 1 })] });
    return done;
  })();
  const outcome = await restoreAda();
  busy = false;
  expect(await syncing).toBeGreaterThan(3);
  expect(outcome).toMatchObject({ code: 0 });
  expect(outcome.out).toContain(`Restored ${ada.person.email}`);
  const after = await readRows(client.sql, bob.person.userId);
  for (const name of [
    "place_visits",
    "location_samples",
    "photos",
    "stored_objects",
    "photo_files",
    "users",
    "refresh_tokens",
  ])
    expect(after[name]).toEqual(others[name] as string[]);
  const back = await readRows(client.sql, ada.person.userId);
  const differing = Object.keys(rows).filter((name) => !Bun.deepEquals(rows[name], back[name]));
  // Their keys are new ones.
  expect(differing.sort()).toEqual(["stored_objects", "users"]);
  expect(await keyOf(ada, "photo")).not.toBe(key);
  expect(await ada.counter()).toBe(version + 1_000_000);
  expect(await listLeftovers(client.sql)).toEqual([]);
  await expectPictures(ada);
  const doomed = await client.sql`SELECT FROM unreferenced_objects JOIN stored_objects USING (key)`;
  expect(doomed).toHaveLength(0);
  expect(await visitOf(ada)).toBe("first");
  expect((await ada.sync({ trips: [trip("more")] })).accepted.trips).toEqual(["more"]);
});

test("one that is there is replaced only when that is wanted", async () => {
  await ada.sync({
    placeVisits: [visit("visit", { notes: "second", localVersion: 2, serverVersion: ada.cursor })],
  });
  const epoch = (await readCounters(client.sql)).get(ada.person.userId)?.epoch;
  const refusal = await restoreAda();
  expect([refusal.code, refusal.err]).toEqual([
    1,
    expect.stringContaining(`The account ${ada.person.email} is there: --replace erases it`),
  ]);
  expect(await visitOf(ada)).toBe("second");
  expect((await restoreAda("--replace")).err).toContain("--replace needs --yes");
  const key = await keyOf(ada, "photo");
  await upload(ada, "since");
  const cursor = await ada.counter();
  expect(await restoreAda("--replace", "--yes")).toMatchObject({ code: 0 });
  expect(await visitOf(ada)).toBe("first");
  await expectPictures(ada);
  expect((await readCounters(client.sql)).get(ada.person.userId)).toMatchObject({
    version: expect.any(Number),
  });
  expect(await ada.counter()).toBeGreaterThan(cursor);
  expect((await readCounters(client.sql)).get(ada.person.userId)?.epoch).not.toBe(epoch ?? "");
  // What it had goes at the next sweep, and nothing else.
  const due = await client.sql`SELECT key FROM unreferenced_objects WHERE due_at <= now()`;
  expect(due.map((row) => row.key)).toContain(key);
  await server.context.sweeper.run();
  expect(await server.context.storage.stat(key ?? "")).toBeNull();
  await expectPictures(ada);
  expect((await server.run(["storage", "check"])).code).toBe(0);
});

test("again and again: no version comes twice", async () => {
  for (let round = 0; round < 2; round++) {
    await ada.sync({ trips: [trip(`round-${round}`)] });
    const cursor = await ada.counter();
    expect(await restoreAda("--replace", "--yes")).toMatchObject({ code: 0 });
    expect(await ada.counter()).toBeGreaterThan(cursor);
  }
});

test("another address since, and another account with that address", async () => {
  const renamed = `renamed-${ada.id}@example.org`;
  await client.sql`UPDATE users SET email = ${renamed} WHERE id = ${ada.person.userId}`;
  expect((await restoreAda()).err).toContain(`The account is there, as ${renamed}: --replace erases it`);
  const eve = new Device(server, await register(server));
  await client.sql`UPDATE users SET email = ${ada.person.email.toUpperCase()} WHERE id = ${eve.person.userId}`;
  await eve.sync({ trips: [trip("eve's")] });
  const refusal = await restoreAda();
  expect(refusal.err).toContain(
    `The account is there, as ${renamed}, and ${ada.person.email.toUpperCase()} is the address of another account now: --replace erases both`,
  );
  expect((await client.sql`SELECT 1 FROM users WHERE id = ${eve.person.userId}`).length).toBe(1);
  const unknown = await server.run(["restore", "--dir", folder.path, "--user", renamed]);
  expect([unknown.code, unknown.err]).toEqual([
    1,
    expect.stringContaining(`The backup ${manifest.id} has no account ${renamed}`),
  ]);
  expect(await restoreAda("--replace", "--yes")).toMatchObject({ code: 0 });
  expect((await sendLogin(server, ada.person)).status).toBe(200);
  expect((await client.sql`SELECT 1 FROM users WHERE id = ${eve.person.userId}`).length).toBe(0);
});

test("pictures that the backup lacks are counted, and can be uploaded again", async () => {
  const own = newPicture();
  await upload(ada, "own", own);
  const key = (await keyOf(ada, "own")) ?? "";
  await server.context.storage.delete(key);
  await folder.remove();
  folder = await newFolder();
  manifest = await backUp(server, folder.files);
  expect(manifest.missing.map((one) => one.key)).toContain(key);
  const outcome = await restoreAda("--replace", "--yes");
  expect(outcome).toMatchObject({ code: 0 });
  expect(outcome.out).toContain("1 picture could not be restored");
  expect((await ada.call("GET", "/photos/own")).url).toBeNull();
  const { url } = await upload(ada, "own", own);
  expect(await (await fetch(url)).bytes()).toEqual(own);
  await expectPictures(ada);
});

test("envelopes come back as they were", async () => {
  const sealed = envelope("sealed", "secret".repeat(500));
  await ada.sync({ trips: [sealed] }, { isEncrypted: true });
  await folder.remove();
  folder = await newFolder();
  manifest = await backUp(server, folder.files);
  expect(await restoreAda("--replace", "--yes")).toMatchObject({ code: 0 });
  const [page] = await ada.everything({ isEncrypted: true });
  const back = page.remoteChanges.trips.find(({ id }: { id: string }) => id === "sealed");
  expect(back.encryptedData).toBe(sealed.encryptedData as string);
});

test("two at once: one of them waits for another day", async () => {
  const outcomes = await Promise.all([restoreAda("--replace", "--yes"), restoreAda("--replace", "--yes")]);
  const codes = outcomes.map(({ code }) => code).sort();
  // The second may also have come when the first was done.
  expect([
    [0, 75],
    [0, 0],
  ]).toContainEqual(codes);
  await expectPictures(ada);
});

test("killed in the middle it changes nothing, and its pictures are swept in time", async () => {
  await ada.sync({
    placeVisits: [visit("visit", { notes: "second", localVersion: 2, serverVersion: ada.cursor })],
  });
  const before = await readRows(client.sql, ada.person.userId);
  const lock = await client.sql.reserve();
  await lock`BEGIN`;
  await lock`SELECT FROM sync_versions WHERE user_id = ${ada.person.userId} FOR UPDATE`;
  const child = server.spawn([
    "restore",
    "--dir",
    folder.path,
    "--user",
    ada.person.email,
    "--replace",
    "--yes",
  ]);
  // All is there, and it waits for the account.
  for (;;) {
    const waiting =
      await client.sql`SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`;
    if (waiting.length > 0) break;
    await Bun.sleep(20);
  }
  child.kill("SIGKILL");
  await child.exited;
  await lock`ROLLBACK`;
  lock.release();
  expect(await readRows(client.sql, ada.person.userId)).toEqual(before);
  const announced = await bob.rows(
    sql`SELECT key FROM unreferenced_objects WHERE due_at > now() + interval '20 hours'`,
  );
  expect(announced.length).toBeGreaterThanOrEqual(2);
  for (let code = 75; code === 75; ) code = (await restoreAda("--replace", "--yes")).code;
  expect(await visitOf(ada)).toBe("first");
  expect(await listLeftovers(client.sql)).toEqual([]);
});
