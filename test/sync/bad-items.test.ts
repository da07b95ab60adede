import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { idsOf, newDevice, startSyncServer } from "../support/sync-client.ts";
import {
  attachment,
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

/* I7: one bad item never spoils a batch: it is rejected with a message, the rest is stored. */

let server: TestServer;
beforeAll(async () => {
  server = await startSyncServer();
});
afterAll(() => server.stop());

type Bad = [what: string, list: string, item: unknown, id?: string];

const huge = "x".repeat(1_000_000);
const bad: Bad[] = [
  ["not a number", "locations", location("bad", { latitude: "NaN" })],
  ["null where a number has to be", "locations", location("bad", { accuracy: null })],
  ["beyond every map", "locations", location("bad", { longitude: 180.001 })],
  ["a text for a number", "locations", location("bad", { speed: "3" })],
  ["a negative accuracy", "locations", location("bad", { accuracy: -1 })],
  ["no such day", "locations", location("bad", { timestamp: "2025-02-30T00:00:00Z" })],
  ["a date for an instant", "locations", location("bad", { timestamp: "2025-02-03" })],
  ["the character U+0000", "placeVisits", visit("bad", { notes: "a\0b" })],
  ["U+0000 in a list", "trips", trip("bad", { countries: ["a\0b"] })],
  ["U+0000 in an object", "photos", photo("bad", { exifData: { cameraModel: "\0" } })],
  ["a text of a million characters", "placeVisits", visit("bad", { notes: huge })],
  ["a list for a text", "placeVisits", visit("bad", { placeName: ["Cafe"] })],
  ["an object for a text", "trips", trip("bad", { name: {} })],
  ["a departure before the arrival", "placeVisits", visit("bad", { departureTime: minute(-1) })],
  ["a confidence of 2", "placeVisits", visit("bad", { confidence: 2 })],
  ["no place", "placeVisits", visit("bad", { location: null })],
  ["half a place", "photos", photo("bad", { location: { latitude: 1 } })],
  ["an end before the start", "trips", trip("bad", { endDate: minute(-1) })],
  ["an id in a list that is none", "trips", trip("bad", { photos: ["content://media/1"] })],
  ["too many ids", "trips", trip("bad", { photos: Array.from({ length: 10_001 }, (_, n) => `p${n}`) })],
  ["an action that is none", "placeVisits", visit("bad", { syncAction: "PATCH" })],
  ["a negative base", "placeVisits", visit("bad", { serverVersion: -1 })],
  ["an absurd base", "placeVisits", visit("bad", { serverVersion: 1e16 })],
  ["half a localVersion", "placeVisits", visit("bad", { localVersion: 1.5 })],
  ["a lastModified that is none", "placeVisits", visit("bad", { lastModified: "yesterday" })],
  ["a day that no calendar has", "tripDays", tripDay("bad", "t", "2025-02-30")],
  ["an attachment to nothing", "photoAttachments", attachment("bad", "p", "", {})],
  ["an id with a slash", "placeVisits", visit("a/b"), "a/b"],
  ["an id with half a character", "placeVisits", visit("a\ud83d"), "a\ud83d"],
  ["an id of 129 characters", "placeVisits", visit("x".repeat(129)), "x".repeat(128)],
  ["no id", "placeVisits", visit("", { id: undefined }), ""],
  ["a number for an id", "placeVisits", visit("", { id: 7 }), "7"],
  ["an object for an id", "placeVisits", visit("", { id: {} }), ""],
  ["null for an item", "placeVisits", null, ""],
  ["a text for an item", "placeVisits", "visit", ""],
  ["a number for an item", "placeVisits", 7, ""],
  ["a list for an item", "placeVisits", [visit("v")], ""],
  ["an empty item", "placeVisits", {}, ""],
  ["an envelope where none may be", "placeVisits", envelope("bad", "x")],
];

test.each(bad)("%s is rejected alone", async (_what, list, item, id = "bad") => {
  const device = await newDevice(server);
  const rest = {
    placeVisits: [visit("good")],
    locations: [location("good")],
    trips: [trip("good")],
  } as Record<string, unknown[]>;
  const answer = await device.sync({ ...rest, [list]: [...(rest[list] ?? []), item] });
  expect(answer.rejected[list]).toEqual([
    { id, reason: "INVALID", conflictId: null, message: expect.any(String) },
  ]);
  expect([answer.accepted.placeVisits, answer.accepted.locations, answer.accepted.trips]).toEqual([
    ["good"],
    ["good"],
    ["good"],
  ]);
  expect((await device.request("GET", "/place-visits/good")).status).toBe(200);
  expect(await device.counter()).toBe(3);
});

test("a number beyond every number is rejected alone", async () => {
  const device = await newDevice(server);
  const changes = { locations: [location("good"), location("bad", { altitude: "?" })] };
  const body = JSON.stringify({ deviceId: device.id, lastSyncVersion: 0, localChanges: changes });
  const { json } = await device.request("POST", "/sync/delta", body.replace('"?"', "1e400"));
  expect([json.accepted.locations, idsOf(json.rejected.locations)]).toEqual([["good"], ["bad"]]);
});

test("half of a surrogate pair in a text is no reason to refuse it", async () => {
  const device = await newDevice(server);
  const answer = await device.sync({
    placeVisits: [visit("v", { notes: "cut \ud83d", placeName: "\udc00" })],
  });
  expect(answer.accepted.placeVisits).toEqual(["v"]);
  expect(await device.call("GET", "/place-visits/v")).toMatchObject({
    notes: "cut \ufffd",
    placeName: "\ufffd",
  });
  // As JSON, too, where it would be an escape that Postgres refuses.
  await device.sync({
    trips: [trip("t", { countries: ["\ud83d"] })],
    photos: [photo("p", { exifData: { cameraModel: "\ud83d" } })],
    settings: { unitPreferences: { distanceUnit: "\ud83d" } },
  });
  expect(await device.call("GET", "/trips/t")).toMatchObject({ countries: ["\ufffd"] });
  expect(await device.call("GET", "/photos/p")).toMatchObject({ exifData: { cameraModel: "\ufffd" } });
  expect(await device.call("GET", "/settings")).toMatchObject({
    unitPreferences: { distanceUnit: "\ufffd" },
  });
});

test("keys that nobody knows are no reason either", async () => {
  const device = await newDevice(server);
  const answer = await device.sync({ placeVisits: [visit("v", { mood: "\0", __proto__: { x: 1 } })] });
  expect(answer.accepted.placeVisits).toEqual(["v"]);
});

test("of 10,000 points with a bad one, 9,999 are stored", async () => {
  const device = await newDevice(server);
  const points = track(10_000, "p");
  points[5000] = location("bad", { latitude: 91 });
  const batch = await device.call("POST", "/locations/batch", { deviceId: device.id, locations: points });
  expect(batch).toMatchObject({ accepted: 9999, rejected: 1, duplicates: 0, syncVersion: 9999 });
  expect(idsOf(batch.invalid)).toEqual(["bad"]);
  const again = await device.sync({ locations: points });
  expect(again.accepted.locations).toHaveLength(9999);
  expect(idsOf(again.rejected.locations)).toEqual(["bad"]);
  expect(await device.counter()).toBe(9999);
});

describe("the same id twice in one request", () => {
  test("with the same content is one entity of one version", async () => {
    const device = await newDevice(server);
    const answer = await device.sync({ placeVisits: [visit("v"), visit("v")] });
    expect(answer.accepted.placeVisits).toEqual(["v"]);
    expect(await device.counter()).toBe(1);
  });

  test("with other content is one entity: the later state stands", async () => {
    const device = await newDevice(server);
    const answer = await device.sync({
      placeVisits: [visit("v", { notes: "one" }), visit("v", { notes: "two", localVersion: 2 })],
      locations: [location("l"), location("l", { accuracy: 7 })],
    });
    expect([answer.accepted.placeVisits, answer.conflicts]).toEqual([["v"], []]);
    expect(await device.call("GET", "/place-visits/v")).toMatchObject({ notes: "two" });
    expect(await device.call("GET", "/locations/l")).toMatchObject({ accuracy: 5 });
  });

  test("made, deleted and made again", async () => {
    const device = await newDevice(server);
    await device.sync({
      placeVisits: [
        visit("v"),
        visit("v", { syncAction: "DELETE", localVersion: 2 }),
        visit("v", { notes: "again", localVersion: 3 }),
      ],
    });
    expect(await device.call("GET", "/place-visits/v")).toMatchObject({ notes: "again" });
    const [page] = await device.everything();
    expect(page.remoteChanges.deletedIds.placeVisits).toEqual([]);
  });

  test("good and bad", async () => {
    const device = await newDevice(server);
    const answer = await device.sync({ placeVisits: [visit("v", { confidence: 2 }), visit("v")] });
    expect(answer.accepted.placeVisits).toEqual(["v"]);
    expect(idsOf(answer.rejected.placeVisits)).toEqual(["v"]);
  });
});

test("a bad attachment in a list by REST is named, and none is written", async () => {
  const device = await newDevice(server);
  const attachments = [attachment("a", "p", "v"), attachment("b", "p q", "v")];
  const answer = await device.request("POST", "/photos/attachments", { attachments });
  expect([answer.status, Object.keys(answer.json.details)]).toEqual([400, ["attachments.1"]]);
  expect(await device.counter()).toBe(0);
});

describe("a frame that is wrong is refused whole, and nothing is written", () => {
  test.each<[what: string, body: Record<string, unknown>, field: string]>([
    ["a list that is none", { localChanges: { placeVisits: {} } }, "localChanges.placeVisits"],
    ["a device that is none", { deviceId: "phone" }, "deviceId"],
    ["a limit of 0", { limit: 0 }, "limit"],
    ["half a limit", { limit: 1.5 }, "limit"],
    ["isEncrypted as a text", { isEncrypted: "true" }, "isEncrypted"],
  ])("%s", async (_what, body, field) => {
    const device = await newDevice(server);
    const answer = await device.sendDelta({ localChanges: { locations: [location("l")] }, ...body });
    expect([answer.status, answer.json.error]).toEqual([400, "VALIDATION_ERROR"]);
    expect(Object.keys(answer.json.details)).toEqual([field]);
    expect(await device.counter()).toBe(0);
  });

  test("NaN, which is no JSON", async () => {
    const device = await newDevice(server);
    const body = `{"deviceId":"${device.id}","lastSyncVersion":0,"localChanges":{"locations":[{"latitude":NaN}]}}`;
    expect((await device.request("POST", "/sync/delta", body)).status).toBe(400);
  });

  test("another device's id", async () => {
    const device = await newDevice(server);
    expect((await device.sendDelta({ deviceId: crypto.randomUUID() })).status).toBe(403);
  });
});

test("a delta of explicit nulls, and one of nothing, is a plain poll", async () => {
  const device = await newDevice(server);
  const lists = { locations: null, placeVisits: null, trips: null, photos: null, settings: null };
  for (const body of [
    { lastSyncVersion: null, isEncrypted: null, limit: null, localChanges: lists },
    { localChanges: null },
    {},
  ])
    expect((await device.delta(body)).syncVersion).toBe(0);
});
