import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Manifest } from "../../src/backup/manifest.ts";
import { instantHasher } from "../accounts/people.ts";
import { Household } from "../support/household.ts";
import type { Phone } from "../support/phone.ts";
import type { PlaceVisitContent, TripContent } from "../support/phone-content.ts";
import { pictureOf } from "../support/phone-pictures.ts";
import { RandomJournal } from "../support/random-journal.ts";
import { SeededRandom } from "../support/seeded-random.ts";
import { startTestServer, type TestServer } from "../support/test-server.ts";
import { type BackupFolder, backUp, newFolder } from "./journal.ts";
import { newTarget, readCounters, type Target } from "./restoring.ts";

/* "Restore" of sync.md, with phones that have gone on since the backup. TEST_SEED repeats a run of the last test. */
setDefaultTimeout(60_000);

const seed = Number(process.env.TEST_SEED || Math.floor(Math.random() * 2 ** 31));

let folder: BackupFolder;
const targets: Target[] = [];
const servers: TestServer[] = [];

beforeAll(async () => {
  folder = await newFolder();
});

afterAll(async () => {
  for (const server of servers) await server.stop();
  for (const made of targets) await made.drop();
  await folder?.remove();
});

async function firstServer(): Promise<TestServer> {
  const server = await startTestServer({}, { hasher: instantHasher });
  servers.push(server);
  return server;
}

const save = (server: TestServer): Promise<Manifest> => backUp(server as never, folder.files);

/** The machine is gone; its backup is restored onto another one. */
async function restoreElsewhere(manifest: Manifest): Promise<Target> {
  const made = await newTarget("database");
  targets.push(made);
  await made.restore(folder.files, manifest);
  return made;
}

/** The phones are told where the server is now. */
function pointAt(household: Household, { url }: TestServer): void {
  Object.assign(household, { baseUrl: url });
  for (const { transport } of household.phones) transport.options.baseUrl = url;
}

async function moveTo(household: Household, made: Target): Promise<TestServer> {
  const server = await made.serve();
  pointAt(household, server);
  return server;
}

const someVisit = (id: string, notes: string): PlaceVisitContent => ({
  id,
  location: { latitude: 48, longitude: 11 },
  placeName: "Cafe",
  category: "FOOD",
  arrivalTime: "2025-11-17T10:00:00.000Z",
  confidence: 1,
  isFavorite: false,
  notes,
  photos: [],
});

const someTrip = (id: string, notes: string): TripContent => ({
  id,
  name: "Alps",
  startDate: "2025-11-17T10:00:00.000Z",
  endDate: "2025-11-18T10:00:00.000Z",
  notes,
  countries: [],
});

const notesOf = (phone: Phone, id: string) =>
  phone.find("placeVisits", id)?.notes ?? phone.find("trips", id)?.notes;

async function syncAll(household: Household, times = 2): Promise<void> {
  for (let turn = 0; turn < times; turn++) for (const phone of household.phones) await phone.syncUntilQuiet();
}

/** Every entity is edited once more by somebody who holds it. */
function touchEverything(household: Household): void {
  const touched = new Set<string>();
  for (const phone of household.phones) {
    for (const kind of ["placeVisits", "trips"] as const)
      for (const id of phone.ids(kind)) {
        if (touched.has(id)) continue;
        touched.add(id);
        phone.edit(kind, id, { notes: `${notesOf(phone, id)}, touched` });
      }
  }
}

describe.each([null, "a household's secret"])("phones of today (passphrase %p)", (passphrase) => {
  let household: Household;
  let old: TestServer;
  let ada: Phone;
  let bob: Phone;
  let made: Target;
  let manifest: Manifest;
  let before: Map<string, { version: number; epoch: string }>;

  beforeAll(async () => {
    old = await firstServer();
    household = new Household(old.url, passphrase);
    ada = await household.add({ name: "Ada's" });
    bob = await household.add({ name: "Bob's" });
    for (const id of ["edited", "untouched", "other", "deleted"])
      ada.upsert("placeVisits", someVisit(id, "first"));
    ada.upsert("trips", someTrip("trip", "first"));
    await syncAll(household);
    manifest = await save(old);
    // What the machine takes with it when it goes.
    ada.edit("placeVisits", "edited", { notes: "since the backup" });
    ada.upsert("placeVisits", someVisit("new", "since the backup"));
    await syncAll(household);
    bob.delete("placeVisits", "deleted");
    for (let edit = 0; edit < 30; edit++) {
      bob.edit("trips", "trip", { notes: `edit ${edit}` });
      await bob.syncUntilQuiet();
    }
    await syncAll(household);
    made = await restoreElsewhere(manifest);
    before = await readCounters(made.client.sql);
    await old.context.dispose();
    await moveTo(household, made);
  });

  test("the counter is a million above the backup's, the epoch another, versions as they were", async () => {
    const id = ada.userId ?? "";
    expect(before.get(id)?.version).toBe((manifest.counters[id] ?? 0) + 1_000_000);
    const table = passphrase === null ? "place_visits" : "encrypted_sync_data";
    const [row] = await made.client
      .sql`SELECT max(server_version)::int AS highest FROM ${made.client.sql(table)}`;
    expect(row?.highest).toBeLessThanOrEqual(manifest.counters[id] ?? 0);
  });

  test("nothing old is written over what they have that is newer", async () => {
    const cursors = household.phones.map(({ store }) => store.cursor);
    for (const phone of household.phones) {
      const answer = await phone.sync();
      expect(answer.resyncRequired ?? false).toBe(false);
      expect(
        Object.values(answer.remoteChanges).flatMap((list) => (Array.isArray(list) ? list : [])),
      ).toEqual([]);
      expect(notesOf(phone, "edited")).toBe("since the backup");
      expect(notesOf(phone, "trip")).toBe("edit 29");
      expect(notesOf(phone, "new")).toBe("since the backup");
    }
    expect(household.phones.every(({ store }, index) => store.cursor >= (cursors[index] ?? 0))).toBe(true);
  });

  test("they miss nothing that comes later", async () => {
    bob.edit("placeVisits", "other", { notes: "after the restore" });
    bob.upsert("placeVisits", someVisit("latest", "after the restore"));
    await syncAll(household);
    expect([notesOf(ada, "other"), notesOf(ada, "latest")]).toEqual([
      "after the restore",
      "after the restore",
    ]);
    expect(ada.store.cursor).toBeGreaterThan(1_000_000);
  });

  test("an edit since the backup returns with the next change of that entity", async () => {
    const fresh = await household.fresh("today");
    expect(notesOf(fresh, "edited")).toBe("first");
    ada.edit("placeVisits", "edited", { category: "WORK" });
    const answer = await ada.sync();
    expect([answer.accepted.placeVisits, answer.conflicts]).toEqual([["edited"], []]);
    expect(notesOf(await household.fresh("today"), "edited")).toBe("since the backup");
  });

  test("once everything was touched, all hold the same as a fresh device", async () => {
    // Deleted since the backup, it is there again; whoever meets it on a new phone deletes it anew.
    const fresh = await household.add({ name: "a new phone" });
    await fresh.syncUntilQuiet();
    expect(fresh.ids("placeVisits")).toContain("deleted");
    fresh.delete("placeVisits", "deleted");
    household.phones.pop();
    household.phones.unshift(fresh);
    const holder = household.phones.splice(1, 1)[0] as Phone;
    household.phones.unshift(holder);
    touchEverything(household);
    await household.settle(() => "keep-mine");
    expect(await household.divergences()).toEqual([]);
    expect(notesOf(fresh, "new")).toContain("since the backup");
    expect(notesOf(fresh, "trip")).toContain("edit 29");
  });
});

describe("phones that know of epochs", () => {
  test("offer everything again, and all of it is there afterwards", async () => {
    const old = await firstServer();
    const household = new Household(old.url);
    const coming = await household.add({ name: "coming", newClient: true, pagesLimit: 3 });
    const today = await household.add({ name: "today's" });
    coming.upsert("trips", someTrip("trip", "first"));
    coming.changeSettings({ unitPreferences: { distanceUnit: "METRIC" } });
    for (let visit = 0; visit < 8; visit++) coming.upsert("placeVisits", someVisit(`v${visit}`, "first"));
    await syncAll(household);
    const manifest = await save(old);
    coming.edit("trips", "trip", { notes: "since the backup" });
    coming.upsert("placeVisits", someVisit("new", "since the backup"));
    coming.changeSettings({ unitPreferences: { distanceUnit: "IMPERIAL" } });
    await syncAll(household);
    // Not even sent yet.
    coming.upsert("placeVisits", someVisit("pending", "since the backup"));
    const made = await restoreElsewhere(manifest);
    await moveTo(household, made);
    const answer = await coming.sync();
    expect(answer.resyncRequired).toBe(true);
    await syncAll(household, 3);
    const fresh = await household.fresh("new");
    expect(["trip", "new", "pending"].map((id) => notesOf(fresh, id))).toEqual(
      Array(3).fill("since the backup"),
    );
    expect(notesOf(today, "pending")).toBe("since the backup");
    expect(await household.divergences()).toEqual([]);
  });
});

describe("conflicts", () => {
  test("that were open or owed when the backup was made are settled after it", async () => {
    const old = await firstServer();
    const household = new Household(old.url);
    const [ada, bob, cid] = [
      await household.add({ name: "Ada's" }),
      await household.add({ name: "Bob's", decide: () => "later" }),
      await household.add({ name: "Cid's", decide: () => "let-go" }),
    ];
    for (const id of ["open", "owed"]) ada.upsert("placeVisits", someVisit(id, "first"));
    await syncAll(household);
    for (const id of ["open", "owed"]) ada.edit("placeVisits", id, { notes: "Ada's" });
    await ada.syncUntilQuiet();
    bob.edit("placeVisits", "open", { notes: "Bob's" });
    cid.edit("placeVisits", "owed", { notes: "Cid's" });
    // Bob does not decide, and Cid's phone has let go, but not yet been given the other side.
    await bob.sync();
    await cid.sync();
    expect(await ada.keptConflicts("open")).toHaveLength(2);
    const manifest = await save(old);
    ada.edit("placeVisits", "owed", { notes: "Ada's again" });
    await ada.syncUntilQuiet();
    await moveTo(household, await restoreElsewhere(manifest));
    bob.person.decide = () => "keep-mine";
    await syncAll(household, 3);
    touchEverything(household);
    await household.settle(() => "keep-mine");
    expect(await household.divergences()).toEqual([]);
    expect(notesOf(ada, "open")).toContain("Bob's");
    expect(notesOf(cid, "owed")).toContain("Ada's again");
    expect(await ada.keptConflicts("open")).toEqual([]);
  });
});

describe("pictures", () => {
  test("that were uploaded since the backup come again when their phone uploads them again", async () => {
    const old = await firstServer();
    const household = new Household(old.url);
    const ada = await household.add({ name: "Ada's" });
    const photo = { timestamp: "2025-11-17T10:00:00.000Z", location: { latitude: 12, longitude: 80 } };
    for (const id of ["before", "known"]) ada.upsert("photos", { id, ...photo });
    await ada.syncUntilQuiet();
    const send = (photoId: string, isOwn = true) =>
      ada.uploadPicture({
        photoId,
        metadata: photo,
        bytes: pictureOf(photoId),
        takesVersion: true,
        takesLinks: true,
        isOwn,
      });
    await send("before");
    const manifest = await save(old);
    await send("known");
    ada.upsert("photos", { id: "unknown", ...photo });
    await ada.syncUntilQuiet();
    await send("unknown");
    const server = await moveTo(household, await restoreElsewhere(manifest));
    await ada.syncUntilQuiet();
    for (const id of ["before", "known", "unknown"]) {
      const { url } = await send(id);
      const { pathname, search } = new URL(url);
      expect(Buffer.from(await (await fetch(server.url + pathname + search)).bytes())).toEqual(
        Buffer.from(pictureOf(id)),
      );
    }
    await household.settle(() => "keep-mine");
    expect(await household.divergences()).toEqual([]);
  });
});

describe("several restores", () => {
  test("in a row: counters grow, epochs change, and nobody misses anything", async () => {
    const old = await firstServer();
    const household = new Household(old.url);
    const [ada, coming] = [
      await household.add({ name: "Ada's" }),
      await household.add({ name: "coming", newClient: true }),
    ];
    ada.upsert("trips", someTrip("trip", "first"));
    await syncAll(household);
    let manifest = await save(old);
    const seen = new Set<string>();
    for (let life = 1; life <= 3; life++) {
      const made = await restoreElsewhere(manifest);
      const { version, epoch } = (await readCounters(made.client.sql)).get(ada.userId ?? "") ?? {
        version: 0,
        epoch: "",
      };
      expect(version).toBeGreaterThan(life * 1_000_000);
      seen.add(epoch);
      const server = await moveTo(household, made);
      ada.edit("trips", "trip", { notes: `life ${life}` });
      await syncAll(household);
      expect(notesOf(coming, "trip")).toBe(`life ${life}`);
      manifest = await save(server);
      await server.stop();
    }
    expect(seen.size).toBe(3);
  });

  test("of an older backup over what was restored itself: no version comes twice", async () => {
    const old = await firstServer();
    const household = new Household(old.url);
    const [ada, bob] = [await household.add({ name: "Ada's" }), await household.add({ name: "Bob's" })];
    ada.upsert("trips", someTrip("trip", "first"));
    await syncAll(household);
    const manifest = await save(old);
    const made = await restoreElsewhere(manifest);
    let server = await moveTo(household, made);
    for (let round = 0; round < 3; round++) {
      ada.upsert("placeVisits", someVisit(`since-${round}`, "since the first restore"));
      await syncAll(household);
      const highest = Math.max(...household.phones.map(({ store }) => store.cursor));
      await server.stop();
      await made.restore(folder.files, manifest, { replace: true });
      const { version = 0 } = (await readCounters(made.client.sql)).get(ada.userId ?? "") ?? {};
      expect(version).toBeGreaterThan(highest);
      server = await moveTo(household, made);
      bob.edit("trips", "trip", { notes: `round ${round}` });
      await bob.syncUntilQuiet();
      expect((await ada.sync()).resyncRequired ?? false).toBe(false);
      expect(notesOf(ada, "trip")).toBe(`round ${round}`);
      expect(notesOf(ada, `since-${round}`)).toBe("since the first restore");
    }
  });
});

describe("a backup that is made while phones write", () => {
  test(`is of one instant, and what it becomes takes everything again (seed ${seed})`, async () => {
    const old = await firstServer();
    const household = new Household(old.url);
    const random = new SeededRandom(seed);
    for (const newClient of [false, true, true])
      await household.add({ name: `phone ${household.phones.length}`, newClient });
    let busy = true;
    const live = household.phones.map(async (phone) => {
      const journal = new RandomJournal(phone, random.fork());
      while (busy) {
        for (let step = 0; step < 4; step++) journal.step();
        await phone.sync();
        const [id] = [...journal.photosMade].slice(-1);
        if (!id || !phone.find("photos", id)) continue;
        const { timestamp = "", location = null } = phone.find("photos", id) ?? {};
        const upload = {
          photoId: id,
          metadata: { timestamp, location },
          bytes: pictureOf(id),
          takesVersion: true,
          takesLinks: true,
          isOwn: true,
        };
        await phone.uploadPicture(upload).catch(() => {});
      }
    });
    await Bun.sleep(300);
    const manifests = [await save(old), await save(old)];
    busy = false;
    await Promise.all(live);
    for (const manifest of manifests) {
      expect(manifest.missing).toEqual([]);
      const { sql } = (await restoreElsewhere(manifest)).client;
      for (const { name } of manifest.tables.filter(({ columns }) => columns.includes("server_version"))) {
        const above =
          await sql`SELECT 1 FROM ${sql(name)} t JOIN sync_versions v USING (user_id) WHERE t.server_version > v.version - 1000000`;
        expect(above).toHaveLength(0);
      }
      const keys = await sql`SELECT o.key FROM photo_files f JOIN stored_objects o USING (user_id, sha256)`;
      expect(
        keys.map(({ key }) => key).filter((key) => !manifest.objects.some((entry) => entry.key === key)),
      ).toEqual([]);
    }
    await moveTo(household, targets.at(-1) as Target);
    touchEverything(household);
    for (const phone of household.phones)
      for (const kind of ["photos", "locations", "photoAttachments", "tripDays"] as const)
        for (const id of phone.ids(kind)) {
          const row = phone.store.get(kind, id);
          if (row && ((kind !== "photoAttachments" && kind !== "tripDays") || phone.view === "new")) {
            row.dirty = true;
            row.localVersion++;
          }
        }
    await household.settle(() => "keep-mine");
  });
});
