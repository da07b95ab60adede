import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import {
  type Device,
  idsOf,
  type Json,
  newDevice,
  startSyncServer,
  twoDevices,
} from "../support/sync-client.ts";
import {
  attachment,
  cipher,
  deleted,
  envelope,
  location,
  minute,
  photo,
  trip,
  tripDay,
  visit,
} from "../support/sync-entities.ts";
import type { TestServer } from "../support/test-server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startSyncServer();
});
afterAll(() => server.stop());

const sealed = { isEncrypted: true };
const lists = ["locations", "placeVisits", "trips", "photos", "photoAttachments", "tripDays"] as const;

/** Tables of the whole database that hold a text somewhere, whoever's. */
async function tablesWith(device: Device, text: string): Promise<string[]> {
  const tables = await device.rows<{ name: string }>(
    sql`SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'`,
  );
  expect(tables.length).toBeGreaterThan(10);
  const found: string[] = [];
  for (const { name } of tables) {
    const [row] = await device.rows<{ count: number }>(
      sql`SELECT count(*) AS count FROM ${sql.identifier(name)} t WHERE strpos(to_jsonb(t)::text, ${text}) > 0`,
    );
    if (row?.count) found.push(name);
  }
  return found;
}

describe("an envelope", () => {
  test("of every kind comes back byte for byte", async () => {
    const [first, second] = await twoDevices(server);
    const data = `${"A".repeat(16)}:${"B-_/+".repeat(3)}==:${"C".repeat(100_000)}=`;
    const changes = Object.fromEntries(
      lists.map((list) => [
        list,
        [envelope(`e-${list}`, "", { encryptedData: data, encryptionVersion: 3, localVersion: 7 })],
      ]),
    );
    const { accepted } = await first.sync(changes, sealed);
    const { remoteChanges } = await second.sync({}, sealed);
    for (const [index, list] of lists.entries()) {
      expect(accepted[list]).toEqual([`e-${list}`]);
      expect(remoteChanges[list]).toHaveLength(1);
      expect(remoteChanges[list][0]).toMatchObject({
        id: `e-${list}`,
        encryptedData: data,
        encryptionVersion: 3,
        localVersion: 7,
        lastModified: minute(0),
        deviceId: first.id,
      });
      expect(index).toBeLessThan(lists.length);
    }
  });

  test("without an id is given one, the same for every repeat", async () => {
    const [first, second] = await twoDevices(server);
    const once = await first.syncAndLose({ placeVisits: [envelope(null, "x"), envelope(null, "y")] }, sealed);
    const again = await first.sync({ placeVisits: [envelope(null, "x"), envelope(null, "y")] }, sealed);
    expect(once.accepted.placeVisits).toHaveLength(2);
    expect(again.accepted).toEqual(once.accepted);
    expect(idsOf((await second.sync({}, sealed)).remoteChanges.placeVisits)).toEqual(
      once.accepted.placeVisits,
    );
    expect(await first.counter()).toBe(2);
  });

  test.each([
    ["no ciphertext", { encryptedData: null }],
    ["two parts", { encryptedData: "YQ==:Yg==" }],
    ["what is no base64", { encryptedData: "a b:c:d" }],
    ["a line end", { encryptedData: "YQ==:Yg==:Yw==\n" }],
    ["more than there may be", { encryptedData: `a:b:${"c".repeat(256 * 1024)}` }],
    ["no version", { encryptionVersion: null }],
    ["half a version", { encryptionVersion: 1.5 }],
  ])("of %s is rejected alone", async (_what, fields) => {
    const device = await newDevice(server);
    const answer = await device.sync(
      { placeVisits: [envelope("bad", "x", fields), envelope("good", "y")] },
      sealed,
    );
    expect([answer.accepted.placeVisits, idsOf(answer.rejected.placeVisits)]).toEqual([["good"], ["bad"]]);
  });

  test("stands under the same rules: conflict, knowing repeat, deletion", async () => {
    const [first, second] = await twoDevices(server);
    await first.sync({ placeVisits: [envelope("v", "theirs")] }, sealed);
    const mine = (localVersion: number) => ({
      placeVisits: [envelope("v", "mine", { lastModified: minute(9), localVersion })],
    });
    const { conflicts, remoteChanges } = await second.sync(mine(2), sealed);
    expect(conflicts).toMatchObject([
      {
        conflictType: "VERSION_MISMATCH",
        suggestedResolution: "KEEP_LOCAL",
        localVersion: { encryptedData: cipher("mine") },
        remoteVersion: { encryptedData: cipher("theirs"), encryptionVersion: "1" },
      },
    ]);
    expect(remoteChanges.placeVisits).toEqual([]);
    expect((await second.sync(mine(3), sealed)).accepted.placeVisits).toEqual(["v"]);
    expect((await first.sync({}, sealed)).remoteChanges.placeVisits).toMatchObject([
      { encryptedData: cipher("mine") },
    ]);
    await first.sync({ placeVisits: [deleted(envelope("v", "", { serverVersion: first.cursor }))] }, sealed);
    expect((await second.sync({}, sealed)).remoteChanges.deletedIds.placeVisits).toEqual(["v"]);
    const [row] = await first.rows<{ data: string | null }>(
      sql`SELECT encrypted_data AS data FROM encrypted_sync_data WHERE user_id = ${first.person.userId} AND id = 'v'`,
    );
    expect(row?.data).toBeNull();
  });

  test("is not in REST, and cannot be patched or posted over there", async () => {
    const device = await newDevice(server);
    await device.sync({ placeVisits: [envelope("v", "x")] }, sealed);
    expect((await device.request("GET", "/place-visits/v")).status).toBe(404);
    expect((await device.request("PUT", "/place-visits/v", { expectedVersion: 1, notes: "x" })).status).toBe(
      404,
    );
    expect((await device.request("POST", "/place-visits", visit("v"))).status).toBe(409);
    expect((await device.call("GET", "/place-visits")).placeVisits).toEqual([]);
  });

  test("is in no log line", async () => {
    const device = await newDevice(server);
    await device.sync({ placeVisits: [envelope("v", "never to be logged")] }, sealed);
    expect(JSON.stringify(server.logs)).not.toContain(cipher("never to be logged"));
  });
});

describe("what stood in clear", () => {
  const secret = () => `secret${crypto.randomUUID().replaceAll("-", "")}`;
  /** One of everything with the secret in all texts, after edits, deletions, conflicts and merges with it. */
  async function fill(first: Device, second: Device, word: string): Promise<void> {
    const texts = {
      locations: [location("l", { provider: word.slice(0, 32) })],
      placeVisits: [visit("v", { notes: word, address: word }), visit("w", { notes: word })],
      trips: [trip("t", { name: word, countries: [word] })],
      photos: [photo("p", { caption: word, exifData: { cameraModel: word } })],
      photoAttachments: [attachment("a", "p", "v", { caption: word })],
      tripDays: [tripDay("d", "t", "2025-04-01", { notes: word })],
    };
    await first.sync(texts);
    const { conflicts } = await second.sync({
      placeVisits: [
        visit("v", { notes: `${word} mine`, lastModified: minute(9) }),
        visit("w", { notes: `${word} mine`, lastModified: minute(9) }),
      ],
      trips: [trip("t", { name: `${word} mine`, lastModified: minute(-9) })],
      tripDays: [tripDay("d", "t", "2025-04-01", { notes: `${word} mine`, lastModified: minute(9) })],
    });
    const open = conflicts.find(({ entityId }: Json) => entityId === "w");
    await second.call("POST", "/sync/resolve-conflict", {
      conflictId: open.conflictId,
      resolution: "MERGE",
      resolvedEntity: { notes: `${word} both`, other: word },
    });
  }

  const envelopes = (fields = {}) => ({
    locations: [envelope("l", "1", fields)],
    placeVisits: [envelope("v", "2", fields), envelope("w", "3", fields)],
    trips: [envelope("t", "4", fields)],
    photos: [envelope("p", "5", fields)],
    photoAttachments: [envelope("a", "6", fields)],
    tripDays: [envelope("d", "7", fields)],
  });

  test("is gone from the whole database once its envelopes have taken its place", async () => {
    const [first, second] = await twoDevices(server);
    const word = secret();
    await fill(first, second, word);
    const before = await tablesWith(first, word.slice(0, 32));
    expect(before.sort()).toEqual([
      "location_samples",
      "photo_attachments",
      "photos",
      "place_visits",
      "sync_conflicts",
      "trip_days",
      "trips",
    ]);
    const { accepted } = await first.sync(envelopes({ serverVersion: await first.counter() }), sealed);
    for (const list of lists) expect(accepted[list].length).toBeGreaterThan(0);
    expect(await tablesWith(first, word.slice(0, 32))).toEqual([]);
    expect((await first.conflicts()).length).toBeGreaterThan(0);
  });

  test("also where a later envelope won against it without knowing it", async () => {
    const [first, second] = await twoDevices(server);
    const word = secret();
    await first.sync({
      tripDays: [tripDay("d", "t", "2025-04-01", { notes: word })],
      photoAttachments: [attachment("a", "p", "v", { caption: word })],
      settings: { unitPreferences: { distanceUnit: word }, lastModified: minute(0) },
    });
    const later = { lastModified: minute(9) };
    await second.sync(
      {
        tripDays: [envelope("d", "1", later)],
        photoAttachments: [envelope("a", "2", later)],
        settings: { encryptedData: cipher("3"), encryptionVersion: 1, ...later },
      },
      sealed,
    );
    expect(await tablesWith(first, word)).toEqual([]);
  });

  test("also when a conflict is settled for the envelope", async () => {
    const [first, second] = await twoDevices(server);
    const word = secret();
    await first.sync({ placeVisits: [visit("v", { notes: word })] });
    const { conflicts } = await second.sync({ placeVisits: [envelope("v", "x")] }, sealed);
    expect(conflicts).toMatchObject([{ suggestedResolution: "MANUAL" }]);
    expect((await second.resolve(conflicts[0].conflictId, "KEEP_LOCAL")).status).toBe(200);
    expect(await tablesWith(first, word)).toEqual([]);
  });

  test("takes its links along: nobody shows them any more", async () => {
    const [first, second] = await twoDevices(server);
    await first.sync({
      placeVisits: [visit("v", { photos: ["p"], tripId: "t" })],
      photos: [photo("p")],
      trips: [trip("t")],
    });
    await second.sync();
    await first.sync({ placeVisits: [envelope("v", "x", { localVersion: 2 })] }, sealed);
    const { remoteChanges } = await second.sync();
    expect(remoteChanges.photos).toMatchObject([{ id: "p", placeVisitId: null }]);
    expect(remoteChanges.trips).toMatchObject([{ id: "t", placeVisits: [] }]);
  });

  test("and an envelope that is replaced by clear text is gone, too", async () => {
    const [first] = await twoDevices(server);
    const word = secret();
    await first.sync({ placeVisits: [envelope("v", word)] }, sealed);
    expect(await tablesWith(first, cipher(word))).toEqual(["encrypted_sync_data"]);
    await first.sync({ placeVisits: [visit("v", { localVersion: 2 })] });
    expect(await tablesWith(first, cipher(word))).toEqual([]);
    expect((await first.request("GET", "/place-visits/v")).status).toBe(200);
  });
});

describe("devices in clear mode", () => {
  test("are given no envelopes, only their number", async () => {
    const [first, second] = await twoDevices(server);
    await first.sync({ placeVisits: [envelope("e1", "1"), envelope("e2", "2")] }, sealed);
    await first.sync({ placeVisits: [visit("v")] });
    const answer = await second.sync();
    expect(idsOf(answer.remoteChanges.placeVisits)).toEqual(["v"]);
    expect(answer.encryptedPending).toBe(2);
    expect(JSON.stringify(answer)).not.toContain("encryptedData");
    expect((await second.sync()).encryptedPending).toBe(2);
  });

  test("learn of the deletion of one", async () => {
    const [first, second] = await twoDevices(server);
    await first.sync({ placeVisits: [envelope("e", "1")] }, sealed);
    await second.sync();
    await first.sync({ placeVisits: [deleted(envelope("e", "", { localVersion: 2 }))] }, sealed);
    const answer = await second.sync();
    expect([answer.remoteChanges.deletedIds.placeVisits, answer.encryptedPending]).toEqual([["e"], 0]);
  });

  test("devices in encrypted mode get both kinds in the same lists", async () => {
    const [first, second] = await twoDevices(server);
    await first.sync({ placeVisits: [visit("v")] });
    await first.sync({ placeVisits: [envelope("e", "1")] }, sealed);
    const answer = await second.sync({}, sealed);
    expect([idsOf(answer.remoteChanges.placeVisits), answer.encryptedPending]).toEqual([["v", "e"], 0]);
  });
});

describe("a device that turns to encrypted mode", () => {
  /** Six envelopes among clear visits, and a device that synced past all of them in clear. */
  async function turning(): Promise<[Device, Device]> {
    const [first, second] = await twoDevices(server);
    for (let n = 0; n < 6; n++) {
      await first.sync({ placeVisits: [envelope(`e${n}`, `${n}`)] }, sealed);
      await first.sync({ placeVisits: [visit(`v${n}`)] });
      await second.sync();
    }
    return [first, second];
  }
  const isEnvelope = (id: string) => id.startsWith("e");
  const all = ["e0", "e1", "e2", "e3", "e4", "e5"];

  test("gets what it missed, once", async () => {
    const [, second] = await turning();
    const answer = await second.sync({}, sealed);
    expect(idsOf(answer.remoteChanges.placeVisits).filter(isEnvelope)).toEqual(all);
    expect(answer.encryptedPending).toBe(0);
    expect((await second.sync({}, sealed)).remoteChanges.placeVisits).toEqual([]);
  });

  test("also when answers are lost", async () => {
    const [, second] = await turning();
    for (let times = 0; times < 3; times++)
      expect(idsOf((await second.syncAndLose({}, sealed)).remoteChanges.placeVisits)).toEqual(
        expect.arrayContaining(all),
      );
    expect(idsOf((await second.sync({}, sealed)).remoteChanges.placeVisits)).toEqual(
      expect.arrayContaining(all),
    );
    expect((await second.sync({}, sealed)).remoteChanges.placeVisits).toEqual([]);
  });

  test.each([1, 2, 3, 7, 11, 12, 13])("also in pages of %d, each of which is lost once", async (limit) => {
    const [first, second] = await turning();
    // With this, a page of twelve ends at the very cursor that the device comes with.
    await first.sync({ placeVisits: [visit("last")] });
    const got = new Set<string>();
    for (let page = 0; page < 40; page++) {
      await second.syncAndLose({}, { ...sealed, limit });
      const answer = await second.sync({}, { ...sealed, limit });
      for (const id of idsOf(answer.remoteChanges.placeVisits)) got.add(id);
      if (!answer.hasMore) break;
    }
    expect([...got].filter(isEnvelope).sort()).toEqual(all);
    expect((await second.sync({}, sealed)).remoteChanges.placeVisits).toEqual([]);
  });

  test("also when it writes on turning, and asks for its status in between", async () => {
    const [, second] = await turning();
    await second.syncAndLose({ placeVisits: [envelope("mine", "m")] }, sealed);
    second.cursor = (await second.status()).syncVersion;
    const answer = await second.sync({ placeVisits: [envelope("mine", "m")] }, sealed);
    expect(idsOf(answer.remoteChanges.placeVisits).filter((id) => id !== "mine")).toEqual(
      expect.arrayContaining(all),
    );
  });

  test("also after it went to and fro", async () => {
    const [first, second] = await turning();
    await second.sync({}, sealed);
    await second.sync({}, sealed);
    await first.sync({ placeVisits: [envelope("e9", "9")] }, sealed);
    expect(await second.sync()).toMatchObject({ encryptedPending: 1 });
    expect(idsOf((await second.sync({}, sealed)).remoteChanges.placeVisits)).toEqual(["e9"]);
    expect((await second.sync({}, sealed)).remoteChanges.placeVisits).toEqual([]);
  });

  test("where nothing was missed, is given nothing again", async () => {
    const [first, second] = await twoDevices(server);
    await first.sync({ placeVisits: [visit("v")] });
    await second.sync();
    expect((await second.sync({}, sealed)).remoteChanges.placeVisits).toEqual([]);
  });
});
