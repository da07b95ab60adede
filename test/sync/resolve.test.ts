import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { type Device, startSyncServer, twoDevices } from "../support/sync-client.ts";
import { cipher, deleted, envelope, minute, photo, trip, visit } from "../support/sync-entities.ts";
import type { TestServer } from "../support/test-server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startSyncServer();
});
afterAll(() => server.stop());

type Fields = Record<string, unknown>;

/** An open conflict of the second device about a visit that the first wrote last, at version 2. */
async function conflict(theirs: Fields = {}, mine: Fields = {}) {
  const [first, second] = await twoDevices(server);
  await first.sync({ placeVisits: [visit("v")] });
  await first.sync({
    placeVisits: [visit("v", { notes: "theirs", localVersion: 2, serverVersion: 1, ...theirs })],
  });
  const { conflicts } = await second.sync({
    placeVisits: [visit("v", { notes: "mine", localVersion: 5, lastModified: minute(60), ...mine })],
  });
  return { first, second, conflictId: conflicts[0].conflictId as string };
}

const read = (device: Device) => device.call("GET", "/place-visits/v");
const notesGiven = ({ remoteChanges }: { remoteChanges: { placeVisits: { notes: string }[] } }) =>
  remoteChanges.placeVisits.map(({ notes }) => notes);

describe("KEEP_LOCAL", () => {
  test("writes the device's side as it was kept", async () => {
    const { first, second, conflictId } = await conflict();
    const { status, json } = await second.resolve(conflictId, "KEEP_LOCAL");
    expect(status).toBe(200);
    expect(json).toMatchObject({
      success: true,
      acceptedEntity: { id: "v", serverVersion: (await read(first)).serverVersion },
    });
    expect(await read(first)).toMatchObject({ notes: "mine", localVersion: 5, lastModified: minute(60) });
    expect(await first.conflicts()).toMatchObject([{ status: "resolved", resolution: "KEEP_LOCAL" }]);
    expect(notesGiven(await first.sync())).toEqual(["mine"]);
  });

  test("of a deletion deletes", async () => {
    const { first, second, conflictId } = await conflict({}, { syncAction: "DELETE" });
    expect((await second.resolve(conflictId, "KEEP_LOCAL")).status).toBe(200);
    expect((await first.request("GET", "/place-visits/v")).status).toBe(404);
  });

  test("by another device of the account works, too", async () => {
    const { first, conflictId } = await conflict();
    expect((await first.resolve(conflictId, "KEEP_LOCAL")).status).toBe(200);
    expect(await read(first)).toMatchObject({ notes: "mine" });
  });
});

describe("KEEP_REMOTE", () => {
  test("writes nothing, and the device is owed the other side until that has arrived", async () => {
    const { first, second, conflictId } = await conflict();
    const before = await first.counter();
    const { json } = await second.resolve(conflictId, "KEEP_REMOTE");
    expect(json.acceptedEntity).toMatchObject({ id: "v", serverVersion: 2 });
    expect(await first.counter()).toBe(before);
    expect(notesGiven(await second.syncAndLose())).toEqual(["theirs"]);
    expect(notesGiven(await second.sync())).toEqual(["theirs"]);
    expect(notesGiven(await second.sync())).toEqual([]);
  });

  test("settled by another device: the device that met the conflict is owed", async () => {
    const { first, second, conflictId } = await conflict();
    await first.resolve(conflictId, "KEEP_REMOTE");
    expect(notesGiven(await second.sync())).toEqual(["theirs"]);
  });
});

describe("MERGE and MANUAL", () => {
  test.each(["MERGE", "MANUAL"])(
    "%s writes the given keys over the other side; the rest stays",
    async (resolution) => {
      const { first, second, conflictId } = await conflict({ address: "their street" });
      const { status } = await second.resolve(conflictId, resolution, { notes: "both", placeName: "Bar" });
      expect(status).toBe(200);
      expect(await read(first)).toMatchObject({ notes: "both", placeName: "Bar", address: "their street" });
      expect(await first.conflicts()).toMatchObject([{ status: "resolved", resolution }]);
    },
  );

  test("a map of strings, as today's app sends it, is typed back", async () => {
    const { first, second, conflictId } = await conflict();
    const [{ remoteVersion }] = await second.conflicts();
    const answer = await second.resolve(conflictId, "MERGE", {
      ...remoteVersion,
      location: '{"latitude":1.5,"longitude":2.5}',
      durationMinutes: "45",
      confidence: "0.25",
      isFavorite: "true",
      notes: "17",
      arrivalTime: "2025-04-01T12:01:00Z",
      photos: '["p1"]',
      address: "",
    });
    expect(answer.status).toBe(200);
    await first.sync({ photos: [photo("p1")] });
    expect(await read(first)).toMatchObject({
      location: { latitude: 1.5, longitude: 2.5 },
      durationMinutes: 45,
      confidence: 0.25,
      isFavorite: true,
      notes: "17",
      arrivalTime: "2025-04-01T12:01:00.000Z",
      photos: ["p1"],
      placeName: "Cafe",
    });
  });

  test("typed JSON is taken as it is, and null empties", async () => {
    const { first, second, conflictId } = await conflict();
    const merge = {
      isFavorite: true,
      notes: null,
      arrivalTime: minute(40),
      departureTime: null,
      durationMinutes: 1.9,
    };
    expect((await second.resolve(conflictId, "MERGE", merge)).status).toBe(200);
    expect(await read(first)).toMatchObject({
      isFavorite: true,
      notes: null,
      arrivalTime: minute(40),
      departureTime: null,
      durationMinutes: 1,
    });
  });

  test("lists that it names are so; those that it does not name stay, with what is still to come", async () => {
    const { first, second, conflictId } = await conflict({ photos: ["p1", "later"] });
    await first.sync({ photos: [photo("p1")] });
    expect((await second.resolve(conflictId, "MERGE", { notes: "both" })).status).toBe(200);
    await first.sync({ photos: [photo("later")] });
    expect(await read(first)).toMatchObject({ photos: ["later", "p1"], notes: "both" });
    const next = await conflict({ photos: ["p1", "p2"] });
    await next.first.sync({ photos: [photo("p1"), photo("p2")] });
    await next.second.resolve(next.conflictId, "MERGE", { photos: ["p2"] });
    expect(await read(next.first)).toMatchObject({ photos: ["p2"] });
  });

  test("of a trip", async () => {
    const [first, second] = await twoDevices(server);
    await first.sync({ trips: [trip("t", { name: "theirs" })] });
    const { conflicts } = await second.sync({
      trips: [trip("t", { name: "mine", lastModified: minute(9) })],
    });
    const merge = { countries: '["Italy","Austria"]', totalDistance: "12.5" };
    expect((await second.resolve(conflicts[0].conflictId, "MERGE", merge)).status).toBe(200);
    expect(await first.call("GET", "/trips/t")).toMatchObject({
      name: "theirs",
      countries: ["Italy", "Austria"],
      totalDistance: 12.5,
    });
  });

  test("over a deletion bring the entity back, from the device's own side", async () => {
    const [first, second] = await twoDevices(server);
    await first.sync({ placeVisits: [visit("v")] });
    await first.sync({ placeVisits: [deleted(visit("v", { serverVersion: 1 }))] });
    const { conflicts } = await second.sync({
      placeVisits: [visit("v", { placeName: "mine", lastModified: minute(9) })],
    });
    expect((await second.resolve(conflicts[0].conflictId, "MANUAL", { notes: "saved" })).status).toBe(200);
    expect(await read(first)).toMatchObject({ placeName: "mine", notes: "saved" });
  });

  test("of envelopes", async () => {
    const [first, second] = await twoDevices(server);
    const sealed = { isEncrypted: true };
    await first.sync({ placeVisits: [envelope("v", "theirs")] }, sealed);
    const { conflicts } = await second.sync(
      { placeVisits: [envelope("v", "mine", { lastModified: minute(9) })] },
      sealed,
    );
    const merge = { encryptedData: cipher("both"), encryptionVersion: "2" };
    expect((await second.resolve(conflicts[0].conflictId, "MERGE", merge)).status).toBe(200);
    const { remoteChanges } = await first.sync({}, sealed);
    expect(remoteChanges.placeVisits).toMatchObject([
      { id: "v", encryptedData: cipher("both"), encryptionVersion: 2 },
    ]);
  });

  test.each<[what: string, entity: unknown, field: string]>([
    ["no entity", undefined, "resolvedEntity"],
    ["a text that is no number", { confidence: "high" }, "resolvedEntity.confidence"],
    ["a number out of bounds", { confidence: "7" }, "resolvedEntity.confidence"],
    ["a required field emptied", { arrivalTime: null }, "resolvedEntity.arrivalTime"],
    ["a list that is none", { photos: '{"a":1}' }, "resolvedEntity.photos"],
    ["the character U+0000", { notes: "a\0b" }, "resolvedEntity.notes"],
    ["a departure before the arrival", { departureTime: minute(-9) }, "resolvedEntity"],
  ])("with %s are 400, and leave the conflict open", async (_what, entity, field) => {
    const { first, second, conflictId } = await conflict();
    const { status, json } = await second.resolve(conflictId, "MERGE", entity);
    expect([status, Object.keys(json.details ?? {})]).toEqual([400, [field]]);
    expect(await read(first)).toMatchObject({ notes: "theirs" });
    expect(await first.conflicts("open")).toHaveLength(1);
  });

  test("what nobody knows in it does no harm, and is not kept", async () => {
    const { first, second, conflictId } = await conflict();
    const merge = { notes: "both", url: "content://media/1", mood: "\0\ud800" };
    expect((await second.resolve(conflictId, "MERGE", merge)).status).toBe(200);
    expect((await second.resolve(conflictId, "MERGE", merge)).status).toBe(200);
    const [row] = await first.rows<{ detail: string }>(
      sql`SELECT resolution_detail::text AS detail FROM sync_conflicts WHERE user_id = ${first.person.userId}`,
    );
    expect(row?.detail).not.toContain("content:");
  });
});

describe("compare-and-set", () => {
  const moves: [name: string, fields: Fields, shown: Fields][] = [
    ["an edit", { notes: "theirs again" }, { notes: "theirs again" }],
    ["a deletion", { syncAction: "DELETE" }, { deleted: "true" }],
  ];
  test.each(moves)("refuses with the conflict as it is now after %s", async (_name, fields, shown) => {
    const { first, second, conflictId } = await conflict();
    let localVersion = 2;
    const move = async (more: Fields) => {
      const serverVersion = await first.counter();
      await first.sync({
        placeVisits: [visit("v", { ...more, serverVersion, localVersion: ++localVersion })],
      });
    };
    for (const resolution of ["KEEP_LOCAL", "KEEP_REMOTE", "MERGE", "MANUAL"]) {
      // A refusal refreshes the conflict; so the entity moves before each resolution.
      await move({ address: resolution });
      await move(fields);
      const { status, json } = await second.resolve(conflictId, resolution, { notes: "both" });
      expect([status, json.error]).toEqual([409, "VERSION_CONFLICT"]);
      expect(json.conflict).toMatchObject({ conflictId, entityId: "v", remoteVersion: shown });
    }
    expect(await first.conflicts("open")).toHaveLength(1);
  });

  test("after that the same resolution is taken", async () => {
    const { first, second, conflictId } = await conflict();
    await first.sync({
      placeVisits: [visit("v", { notes: "theirs again", localVersion: 3, serverVersion: 2 })],
    });
    expect((await second.resolve(conflictId, "KEEP_LOCAL")).status).toBe(409);
    expect((await second.resolve(conflictId, "KEEP_LOCAL")).status).toBe(200);
    expect(await read(first)).toMatchObject({ notes: "mine" });
  });
});

describe("settling a settled conflict", () => {
  test.each<[resolution: string, entity: unknown]>([
    ["KEEP_LOCAL", undefined],
    ["KEEP_REMOTE", undefined],
    ["MERGE", { notes: "both" }],
    ["MANUAL", { notes: "both", isFavorite: "true" }],
  ])("as %s again is told the same, word for word", async (resolution, entity) => {
    const { second, conflictId } = await conflict();
    const first = await second.resolve(conflictId, resolution, entity);
    expect(first.status).toBe(200);
    for (let times = 0; times < 2; times++)
      expect((await second.resolve(conflictId, resolution, entity)).json).toEqual(first.json);
  });

  test("another way is 409", async () => {
    const { first, second, conflictId } = await conflict();
    await second.resolve(conflictId, "MERGE", { notes: "both" });
    for (const [resolution, entity] of [
      ["KEEP_LOCAL"],
      ["KEEP_REMOTE"],
      ["MANUAL", { notes: "both" }],
      ["MERGE", { notes: "else" }],
    ] as const)
      expect((await second.resolve(conflictId, resolution as string, entity)).status).toBe(409);
    expect(await read(first)).toMatchObject({ notes: "both" });
  });

  test("that a delta settled, the same way is 200, another 409", async () => {
    const { second, conflictId } = await conflict();
    await second.sync({ placeVisits: [visit("v", { notes: "mine", localVersion: 6 })] });
    expect((await second.resolve(conflictId, "KEEP_LOCAL")).status).toBe(200);
    expect((await second.resolve(conflictId, "KEEP_REMOTE")).status).toBe(409);
  });

  test("ten at once settle it once", async () => {
    const { first, second, conflictId } = await conflict();
    const before = await first.counter();
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => second.resolve(conflictId, "MERGE", { notes: "both" })),
    );
    for (const { status, json } of answers) expect([status, json]).toEqual([200, answers[0]?.json]);
    expect(await first.counter()).toBe(before + 1);
  });
});

test.each<[body: Fields, field: string]>([
  [{ conflictId: "x", resolution: "MERGE" }, "conflictId"],
  [{ conflictId: crypto.randomUUID(), resolution: "NEITHER" }, "resolution"],
  [{ conflictId: crypto.randomUUID(), resolution: "MERGE", resolvedEntity: [] }, "resolvedEntity"],
])("%p is 400", async (body, field) => {
  const [device] = await twoDevices(server);
  const { status, json } = await device.request("POST", "/sync/resolve-conflict", body);
  expect([status, Object.keys(json.details)]).toEqual([400, [field]]);
});

test("one that never was is 404", async () => {
  const [device] = await twoDevices(server);
  expect((await device.resolve(crypto.randomUUID(), "KEEP_LOCAL")).status).toBe(404);
});
