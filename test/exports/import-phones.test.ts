import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { largestLift } from "../../src/sync/schemas.ts";
import { instantHasher, login } from "../accounts/people.ts";
import { Household } from "../support/household.ts";
import type { Phone } from "../support/phone.ts";
import type { PlaceVisitContent } from "../support/phone-content.ts";
import { RandomJournal } from "../support/random-journal.ts";
import { SeededRandom } from "../support/seeded-random.ts";
import { Device, newDevice } from "../support/sync-client.ts";
import { envelope, visit } from "../support/sync-entities.ts";
import { startTestServer, type TestServer } from "../support/test-server.ts";
import { exportBytes } from "./archives.ts";
import { createAccount, type Empty, exported, importInto, newFolder } from "./importing.ts";

/* Phones of an account that was exported, wiped and imported go on with what they hold. TEST_SEED repeats a run. */
setDefaultTimeout(60_000);

const seed = Number(process.env.TEST_SEED || Math.floor(Math.random() * 1e9));

let server: TestServer;
let folder: Awaited<ReturnType<typeof newFolder>>;
beforeAll(async () => {
  console.log(`TEST_SEED=${seed}`);
  server = await startTestServer({}, { hasher: instantHasher });
  folder = await newFolder();
});
afterAll(async () => {
  await server?.stop();
  await folder?.remove();
});

/** Takes a household's account along as a file. @returns where it is */
async function exportOf({ phones }: Household): Promise<string> {
  const userId = phones[0]?.userId ?? "";
  const range = { start: null, end: null };
  const { bytes } = await exportBytes(server, { userId, format: "JSON", includePhotos: true, range });
  return folder.write(bytes);
}

async function wipe({ phones, credentials }: Household): Promise<Empty> {
  await server.context.accounts.delete(phones[0]?.userId ?? "");
  return createAccount(server, credentials.email, credentials.password);
}

/** The account is imported anew, and its phones sign in with all that they have. */
async function moveTo(household: Household, path: string): Promise<void> {
  await importInto(server, await wipe(household), path);
  for (const phone of household.phones) await phone.login(household.credentials);
}

async function syncAll({ phones }: Household): Promise<void> {
  for (let turn = 0; turn < 2; turn++) for (const phone of phones) await phone.syncUntilQuiet();
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

const notesOf = (phone: Phone | undefined, id: string) => phone?.find("placeVisits", id)?.notes;

describe.each([null, "a household's secret"])("a journal at rest (passphrase %p)", (passphrase) => {
  test("goes on without a conflict, and without anything sent twice", async () => {
    const household = new Household(server.url, passphrase);
    const random = new SeededRandom(seed);
    for (const newClient of [false, true, false])
      await household.add({ name: `phone ${household.phones.length}`, newClient });
    const journals = household.phones.map((phone) => new RandomJournal(phone, random.fork()));
    for (let round = 0; round < 8; round++)
      for (const journal of journals) {
        for (let step = 0; step < 8; step++) journal.step();
        await journal.phone.sync();
      }
    await household.settle(() => "keep-mine");
    await moveTo(household, await exportOf(household));
    for (const phone of household.phones) {
      const before = phone.snapshot();
      const answer = await phone.sync();
      expect(answer.conflicts).toEqual([]);
      if (phone.view === "today") {
        const given = Object.values(answer.remoteChanges).flatMap((list) =>
          Array.isArray(list) ? list : [],
        );
        expect([given, answer.remoteChanges.settings ?? null]).toEqual([[], null]);
      } else expect(answer.resyncRequired).toBe(true);
      expect(phone.snapshot()).toEqual(before);
    }
    await household.settle(() => "keep-mine");
    expect(await household.divergences()).toEqual([]);
  });
});

test("phones that quarrel, lag behind and hold what was never sent go on as if nothing had happened", async () => {
  const household = new Household(server.url);
  const random = new SeededRandom(seed + 1);
  await household.add({ name: "Ada's" });
  await household.add({ name: "Bob's", newClient: true, decide: () => "later" });
  await household.add({ name: "Cid's", decide: () => "let-go" });
  const journals = household.phones.map((phone) => new RandomJournal(phone, random.fork()));
  const live = async (rounds: number) => {
    for (let round = 0; round < rounds; round++)
      for (const journal of journals) {
        for (let step = 0; step < 6; step++) journal.step();
        if (random.chance(0.6)) await journal.phone.sync();
      }
  };
  await live(10);
  await moveTo(household, await exportOf(household));
  await live(6);
  await household.settle(() => "keep-mine");
  expect(await household.divergences()).toEqual([]);
});

describe("conflicts", () => {
  test("that were open or owed when the account was exported are settled after the import", async () => {
    const household = new Household(server.url);
    const ada = await household.add({ name: "Ada's" });
    const bob = await household.add({ name: "Bob's", decide: () => "later" });
    const cid = await household.add({ name: "Cid's", decide: () => "let-go" });
    for (const id of ["open", "owed"]) ada.upsert("placeVisits", someVisit(id, "first"));
    await syncAll(household);
    for (const id of ["open", "owed"]) ada.edit("placeVisits", id, { notes: "Ada's" });
    await ada.syncUntilQuiet();
    bob.edit("placeVisits", "open", { notes: "Bob's" });
    cid.edit("placeVisits", "owed", { notes: "Cid's" });
    await bob.sync();
    await cid.sync();
    expect(await ada.keptConflicts("open")).toHaveLength(2);
    await moveTo(household, await exportOf(household));
    expect(await ada.keptConflicts("open")).toHaveLength(2);
    bob.person.decide = () => "keep-mine";
    await household.settle(() => "keep-mine");
    expect(await household.divergences()).toEqual([]);
    expect([notesOf(ada, "open"), notesOf(cid, "owed")]).toEqual(["Bob's", "Ada's"]);
    expect(await ada.keptConflicts("open")).toEqual([]);
  });
});

describe("edits since the export", () => {
  let household: Household;
  beforeAll(async () => {
    household = new Household(server.url);
    await household.add({ name: "Ada's" });
    await household.add({ name: "Bob's", newClient: true });
    const [ada, bob] = household.phones as [Phone, Phone];
    for (const id of ["synced", "pending", "deleted", "other"])
      ada.upsert("placeVisits", someVisit(id, "first"));
    await syncAll(household);
    const path = await exportOf(household);
    ada.edit("placeVisits", "synced", { notes: "since" });
    ada.upsert("placeVisits", someVisit("new", "since"));
    await syncAll(household);
    ada.edit("placeVisits", "pending", { notes: "not even sent" });
    bob.delete("placeVisits", "deleted");
    await moveTo(household, path);
  });

  test("are taken: those that were never sent at once, the others with the next change", async () => {
    const [ada, bob] = household.phones as [Phone, Phone];
    const answer = await ada.sync();
    expect([answer.conflicts, answer.accepted.placeVisits]).toEqual([[], ["pending"]]);
    expect((await bob.sync()).conflicts).toEqual([]);
    await syncAll(household);
    expect([notesOf(ada, "synced"), notesOf(ada, "new")]).toEqual(["since", "since"]);
    // What today's phone has not touched since, it has not offered again; the coming one has.
    const fresh = await household.fresh("today");
    const held = ["synced", "new", "pending", "deleted"].map((id) => notesOf(fresh, id));
    expect(held).toEqual(["since", "since", "not even sent", undefined]);
    ada.edit("placeVisits", "synced", { notes: "since, and again" });
    expect((await ada.sync()).conflicts).toEqual([]);
  });

  test("and all phones hold the same in the end", async () => {
    const [, bob] = household.phones as [Phone, Phone];
    bob.edit("placeVisits", "other", { notes: "after the import" });
    await household.settle(() => "keep-mine");
    expect(await household.divergences()).toEqual([]);
    expect(notesOf(household.phones[0], "other")).toBe("after the import");
  });
});

describe("phones that came before the import", () => {
  test("and were given nothing yet are given everything", async () => {
    const source = await newDevice(server);
    await source.sync({ placeVisits: [visit("a"), visit("b")] });
    const path = await folder.write((await exported(source)).bytes);
    const early = await newDevice(server);
    await early.sync();
    expect(early.cursor).toBe(0);
    const { userId, email } = early.person;
    await importInto(server, { userId, email, password: "" }, path);
    const { remoteChanges } = await early.sync();
    expect(remoteChanges.placeVisits.map(({ id }: { id: string }) => id)).toEqual(["a", "b"]);
    expect(early.cursor).toBeGreaterThan(1_000_000);
  });

  test("and lack envelopes of the time before are given them when they turn to encrypted mode", async () => {
    const source = await newDevice(server);
    await source.sync({ placeVisits: [visit("a")] });
    const other = await source.another();
    await other.sync({}, { isEncrypted: true });
    await other.sync({ trips: [envelope("sealed", "secret")] }, { isEncrypted: true });
    await source.sync();
    const path = await folder.write((await exported(source)).bytes);
    const account = await createAccount(server);
    const early = new Device(server, await login(server, account, source.id));
    await importInto(server, account, path);
    early.cursor = source.cursor;
    const { remoteChanges } = await early.sync({}, { isEncrypted: true });
    expect(remoteChanges.trips.map(({ id }: { id: string }) => id)).toEqual(["sealed"]);
  });

  test("with a cursor keep an account from being imported into: they would miss what is below it", async () => {
    const source = await newDevice(server);
    await source.sync({ placeVisits: [visit("a"), visit("b")] });
    const path = await folder.write((await exported(source)).bytes);
    const early = await newDevice(server);
    await early.delta({ lastSyncVersion: 500 });
    expect(await early.counter()).toBeGreaterThan(500);
    const { userId, email } = early.person;
    await expect(importInto(server, { userId, email, password: "" }, path)).rejects.toThrow(
      `Phones have synced with the account ${email} already`,
    );
  });
});

test("a counter that a phone has lifted as far as may be is imported, and goes on", async () => {
  const source = await newDevice(server);
  await source.delta({ lastSyncVersion: largestLift });
  await source.sync({ placeVisits: [visit("a")], settings: { appearanceSettings: { theme: "DARK" } } });
  expect(await source.counter()).toBeGreaterThan(largestLift);
  let from = source;
  // What was imported can be exported, and that imported again.
  for (let move = 0; move < 2; move++) {
    const path = await folder.write((await exported(from)).bytes);
    const account = await createAccount(server);
    await importInto(server, account, path);
    const before = await from.counter();
    from = new Device(server, await login(server, account));
    expect(await from.counter()).toBe(before + 1_000_000);
  }
  await from.sync();
  await from.sync({ placeVisits: [visit("b")] });
  expect(from.cursor).toBeGreaterThan(largestLift + 2_000_000);
});
