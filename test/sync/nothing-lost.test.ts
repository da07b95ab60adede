import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { type Device, idsOf, startSyncServer, twoDevices } from "../support/sync-client.ts";
import {
  attachment,
  deleted,
  location,
  minute,
  photo,
  trip,
  tripDay,
  visit,
} from "../support/sync-entities.ts";
import type { TestServer } from "../support/test-server.ts";

/* I4: a change is stored, or in a conflict that keeps both sides, or rejected with a reason. */

let server: TestServer;
beforeAll(async () => {
  server = await startSyncServer();
});
afterAll(() => server.stop());

const late = { lastModified: minute(60), localVersion: 2 };
const early = { lastModified: minute(1), localVersion: 2 };

/** Two devices that know the same visit, and then the first edits it at minute 30. */
async function edited(): Promise<[Device, Device]> {
  const [first, second] = await twoDevices(server);
  await first.sync({ placeVisits: [visit("v")] });
  await second.sync();
  await first.sync({
    placeVisits: [
      visit("v", { notes: "first", lastModified: minute(30), localVersion: 2, serverVersion: 1 }),
    ],
  });
  return [first, second];
}

const fromSecond = (fields: Record<string, unknown>) =>
  visit("v", { notes: "second", serverVersion: 1, ...fields });

describe("two edits of one visit", () => {
  test.each([
    ["KEEP_LOCAL", late, "open"],
    ["KEEP_REMOTE", early, "resolved"],
    ["MANUAL", { lastModified: minute(30), localVersion: 2 }, "open"],
  ])("suggesting %s keep both sides", async (suggestion, fields, status) => {
    const [first, second] = await edited();
    const answer = await second.sync({ placeVisits: [fromSecond(fields)] });
    expect(answer.accepted.placeVisits).toEqual([]);
    expect(answer.conflicts).toHaveLength(1);
    const [conflict] = answer.conflicts;
    expect(conflict).toMatchObject({
      entityType: "PLACE_VISIT",
      entityId: "v",
      conflictType: "CONCURRENT_MODIFICATION",
      suggestedResolution: suggestion,
      localVersion: { id: "v", notes: "second", version: "1" },
      remoteVersion: { id: "v", notes: "first", version: "2" },
    });
    expect(answer.rejected.placeVisits).toEqual([
      { id: "v", reason: "CONFLICT", conflictId: conflict.conflictId },
    ]);
    expect(await first.call("GET", "/place-visits/v")).toMatchObject({ notes: "first", serverVersion: 2 });
    const kept = await first.conflicts();
    expect(kept).toMatchObject([{ ...conflict, status, deviceId: second.id }]);
    expect(await first.conflicts(status === "open" ? "resolved" : "open")).toEqual([]);
  });

  test("both sides are texts only, whatever the fields are", async () => {
    const [, second] = await edited();
    const { conflicts } = await second.sync({
      placeVisits: [fromSecond({ ...late, photos: ["p1"], isFavorite: true })],
    });
    for (const side of [conflicts[0].localVersion, conflicts[0].remoteVersion]) {
      for (const value of Object.values(side)) expect(value).toBeString();
      expect(JSON.parse(side.location)).toEqual({ latitude: 48.1, longitude: 11.5 });
      expect(side.version).toMatch(/^\d+$/);
    }
    expect(conflicts[0].localVersion).toMatchObject({
      photos: '["p1"]',
      isFavorite: "true",
      durationMinutes: "30",
    });
  });

  test("the same device meeting the same conflict again updates the one record", async () => {
    const [first, second] = await edited();
    const ids = new Set<string>();
    for (const notes of ["second", "second", "second, more"]) {
      const { conflicts } = await second.syncAndLose({ placeVisits: [fromSecond({ ...late, notes })] });
      ids.add(conflicts[0].conflictId);
    }
    expect(ids.size).toBe(1);
    expect(await first.conflicts()).toMatchObject([{ localVersion: { notes: "second, more" } }]);
  });

  test("a remote side that moved on is in the record, and the id stays", async () => {
    const [first, second] = await edited();
    const before = await second.sync({ placeVisits: [fromSecond(late)] });
    await first.sync({
      placeVisits: [
        visit("v", {
          notes: "first again",
          lastModified: minute(31),
          localVersion: 3,
          serverVersion: first.cursor,
        }),
      ],
    });
    const after = await second.sync({ placeVisits: [fromSecond(late)] });
    expect(after.conflicts[0].conflictId).toBe(before.conflicts[0].conflictId);
    expect(await first.conflicts()).toMatchObject([{ remoteVersion: { notes: "first again" } }]);
  });

  test("without a base it is a VERSION_MISMATCH", async () => {
    const [, second] = await edited();
    const { conflicts } = await second.sync({ placeVisits: [fromSecond({ ...late, serverVersion: null })] });
    expect(conflicts[0].conflictType).toBe("VERSION_MISMATCH");
  });
});

describe("a deletion and an edit", () => {
  test("of the deletion, when the edit was first", async () => {
    const [first, second] = await edited();
    const answer = await second.sync({ placeVisits: [deleted(fromSecond(late))] });
    expect(answer.conflicts).toMatchObject([
      { conflictType: "DELETION_CONFLICT", suggestedResolution: "MANUAL", remoteVersion: { notes: "first" } },
    ]);
    expect(await first.call("GET", "/place-visits/v")).toMatchObject({ notes: "first" });
  });

  test("of the edit, when the deletion was first: the text of the edit is kept", async () => {
    const [first, second] = await edited();
    await first.sync({
      placeVisits: [deleted(visit("v", { serverVersion: first.cursor, localVersion: 3 }))],
    });
    const answer = await second.sync({ placeVisits: [fromSecond(late)] });
    expect(answer.conflicts).toMatchObject([
      { conflictType: "DELETION_CONFLICT", suggestedResolution: "MANUAL", localVersion: { notes: "second" } },
    ]);
    expect(answer.remoteChanges.deletedIds.placeVisits).toEqual([]);
    expect(await first.conflicts("open")).toMatchObject([
      { localVersion: { notes: "second" }, remoteVersion: { deleted: "true" } },
    ]);
  });

  test("two deletions are none", async () => {
    const [first, second] = await edited();
    await first.call("DELETE", "/place-visits/v");
    const answer = await second.sync({ placeVisits: [deleted(fromSecond(late))] });
    expect([answer.accepted.placeVisits, answer.conflicts]).toEqual([["v"], []]);
    expect(await first.conflicts()).toEqual([]);
  });
});

test("trips and photos keep both sides, too", async () => {
  const [first, second] = await twoDevices(server);
  await first.sync({ trips: [trip("t", { name: "first" })], photos: [photo("p", { caption: "first" })] });
  const { conflicts } = await second.sync({
    trips: [trip("t", { name: "second", ...late })],
    photos: [photo("p", { caption: "second", ...late })],
  });
  expect(conflicts.map(({ entityType }: { entityType: string }) => entityType).sort()).toEqual([
    "PHOTO",
    "TRIP",
  ]);
  const kept = await first.conflicts("open");
  expect(kept.map(({ localVersion: { name, caption } }) => name ?? caption)).toEqual(["second", "second"]);
  expect(kept.map(({ remoteVersion: { name, caption } }) => name ?? caption)).toEqual(["first", "first"]);
});

describe("where the last writer wins, the loser is kept", () => {
  const day = (notes: string, fields = {}) => tripDay("d", "t", "2025-04-01", { notes, ...fields });
  const attached = (caption: string, fields = {}) => attachment("a", "p", "v", { caption, ...fields });

  test("a day that came too late", async () => {
    const [first, second] = await twoDevices(server);
    await first.sync({ tripDays: [day("winner", late)] });
    const answer = await second.sync({ tripDays: [day("loser", early)] });
    expect(answer.rejected.tripDays).toMatchObject([{ id: "d", reason: "CONFLICT" }]);
    expect(answer.conflicts).toEqual([]);
    expect(answer.remoteChanges.tripDays).toMatchObject([{ notes: "winner" }]);
    expect(await first.conflicts("resolved")).toMatchObject([
      {
        entityType: "TRIP_DAY",
        resolution: "KEEP_REMOTE",
        localVersion: { notes: "loser" },
        remoteVersion: { notes: "winner" },
      },
    ]);
  });

  test("a day that was written over", async () => {
    const [first, second] = await twoDevices(server);
    await first.sync({ tripDays: [day("loser", early)] });
    expect((await second.sync({ tripDays: [day("winner", late)] })).accepted.tripDays).toEqual(["d"]);
    expect(await first.conflicts("resolved")).toMatchObject([
      { resolution: "KEEP_LOCAL", localVersion: { notes: "winner" }, remoteVersion: { notes: "loser" } },
    ]);
  });

  test("an attachment that was written over by REST", async () => {
    const [first, second] = await twoDevices(server);
    await first.call("POST", "/photos/attachments", { attachments: [attached("loser", early)] });
    await second.call("POST", "/photos/attachments", { attachments: [attached("winner", late)] });
    expect(await first.conflicts("resolved")).toMatchObject([
      { resolution: "KEEP_LOCAL", localVersion: { caption: "winner" }, remoteVersion: { caption: "loser" } },
    ]);
  });

  test("an attachment that came too late by REST, which answers the winner", async () => {
    const [first, second] = await twoDevices(server);
    await first.call("POST", "/photos/attachments", { attachments: [attached("winner", late)] });
    const { attachments } = await second.call("POST", "/photos/attachments", {
      attachments: [attached("loser", early)],
    });
    expect(attachments).toMatchObject([{ id: "a", caption: "winner" }]);
    expect(await first.conflicts("resolved")).toMatchObject([
      { localVersion: { caption: "loser" }, remoteVersion: { caption: "winner" } },
    ]);
  });

  test("a group of settings", async () => {
    const [first, second] = await twoDevices(server);
    const units = (distanceUnit: string, lastModified: string) => ({
      unitPreferences: { distanceUnit },
      serverVersion: 0,
      lastModified,
    });
    await first.sync({ settings: units("MILES", minute(9)) });
    await second.sync({ settings: units("LEAGUES", minute(5)) });
    const [kept] = await first.conflicts("resolved");
    expect(JSON.parse(kept.localVersion.unitPreferences)).toMatchObject({ distanceUnit: "LEAGUES" });
    expect(JSON.parse(kept.remoteVersion.unitPreferences)).toMatchObject({ distanceUnit: "MILES" });
    expect(kept.remoteVersion).not.toContainKey("groupStamps");
  });
});

test("a compare-and-set that is refused changes nothing, and its sender is told", async () => {
  const [first, second] = await edited();
  const answer = await second.request("PUT", "/place-visits/v", { expectedVersion: 1, notes: "second" });
  expect([answer.status, answer.json.error]).toEqual([409, "VERSION_CONFLICT"]);
  expect(answer.json).toMatchObject({ currentVersion: 2, expectedVersion: 1 });
  const taken = await second.request("POST", "/place-visits", visit("v", { notes: "second" }));
  expect([taken.status, taken.json.currentVersion]).toEqual([409, 2]);
  expect(await first.call("GET", "/place-visits/v")).toMatchObject({ notes: "first" });
});

test("a compare-and-set of the device that wrote last is no exception: rule 4 is for deltas", async () => {
  const [first] = await edited();
  expect((await first.request("PUT", "/place-visits/v", { expectedVersion: 1, notes: "blind" })).status).toBe(
    409,
  );
  expect((await first.request("POST", "/place-visits", visit("v", { notes: "blind" }))).status).toBe(409);
  expect(await first.call("GET", "/place-visits/v")).toMatchObject({ notes: "first", serverVersion: 2 });
});

test("a point is stored, known already, or rejected", async () => {
  const [first] = await twoDevices(server);
  const answer = await first.sync({
    locations: [location("l"), location("l"), location("bad", { latitude: 91 })],
  });
  expect(answer.accepted.locations).toEqual(["l"]);
  expect(idsOf(answer.rejected.locations)).toEqual(["bad"]);
});

test("what a tombstone held is gone from its row", async () => {
  const [first] = await twoDevices(server);
  await first.sync({
    placeVisits: [visit("v", { notes: "secret", address: "secret" })],
    locations: [location("l")],
    photos: [photo("p", { caption: "secret" })],
    trips: [trip("t", { name: "secret" })],
  });
  await first.call("DELETE", "/place-visits/v");
  await first.sync({
    locations: [deleted(location("l"))],
    photos: [deleted(photo("p", { serverVersion: 9 }))],
    trips: [deleted(trip("t", { serverVersion: 9 }))],
  });
  for (const table of ["place_visits", "location_samples", "photos", "trips"]) {
    const [row] = await first.rows<{ row: string }>(
      sql`SELECT to_jsonb(t)::text AS row FROM ${sql.identifier(table)} t WHERE user_id = ${first.person.userId}`,
    );
    const { user_id: _user, device_id: _device, id, ...rest } = JSON.parse(row?.row ?? "{}");
    expect(id).toBeString();
    const left = Object.entries(rest).filter(
      ([key, value]) => value !== null && !/_at$|_version$|last_modified/.test(key),
    );
    expect([table, left]).toEqual([table, []]);
  }
});
