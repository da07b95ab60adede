import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { instantHasher } from "../accounts/people.ts";
import { Household } from "../support/household.ts";
import type { Phone } from "../support/phone.ts";
import type { PlaceVisitContent } from "../support/phone-content.ts";
import { RandomJournal } from "../support/random-journal.ts";
import { SeededRandom } from "../support/seeded-random.ts";
import { newDevice } from "../support/sync-client.ts";
import { visit } from "../support/sync-entities.ts";
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
