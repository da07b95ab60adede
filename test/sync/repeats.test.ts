import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Device, type Json, startSyncServer, twoDevices } from "../support/sync-client.ts";
import {
  attachment,
  deleted,
  envelope,
  location,
  minute,
  photo,
  trip,
  tripDay,
  visit,
} from "../support/sync-entities.ts";
import type { Answer, TestServer } from "../support/test-server.ts";

/* I3: after a lost answer the same request can be sent again, any number of times, also in parallel and later. */

let server: TestServer;
beforeAll(async () => {
  server = await startSyncServer();
});
afterAll(() => server.stop());

/** Makes a request that is then sent again and again, byte for byte. */
type Prepare = (device: Device, other: Device) => Promise<() => Promise<Answer>>;

const delta =
  (localChanges: Record<string, unknown>, more: Record<string, unknown> = {}): Prepare =>
  async (device) =>
  () =>
    device.sendDelta({ lastSyncVersion: 0, localChanges, ...more });

const rest =
  (method: string, path: string, body?: Record<string, unknown>): Prepare =>
  async (device) =>
  () =>
    device.request(method, path, body && { deviceId: device.id, ...body });

/** PUT with the version that the entity has before the first of all attempts. */
const put =
  (path: string, body: Record<string, unknown>): Prepare =>
  async (device) => {
    const expectedVersion = (await device.call("GET", path)).serverVersion;
    return () => device.request("PUT", path, { ...body, expectedVersion });
  };

const resolve =
  (resolution: string, resolvedEntity?: unknown): Prepare =>
  async (device, other) => {
    await other.sync({
      placeVisits: [visit("v", { notes: "theirs", serverVersion: await other.counter() })],
    });
    const { conflicts } = await device.sync({
      placeVisits: [visit("v", { notes: "mine", serverVersion: 0, lastModified: minute(9) })],
    });
    return () => device.resolve(conflicts[0].conflictId, resolution, resolvedEntity);
  };

const writes: [name: string, prepare: Prepare, conflicts?: number][] = [
  [
    "a delta with one of everything new",
    delta({
      locations: [location("l9")],
      placeVisits: [visit("v9", { photos: ["p9"] })],
      trips: [trip("t9", { placeVisits: ["v9"], photos: ["p9"] })],
      photos: [photo("p9")],
      photoAttachments: [attachment("a9", "p9", "v")],
      tripDays: [tripDay("d9", "t9", "2025-04-02")],
      settings: { appearanceSettings: { theme: "DARK" }, serverVersion: 0, lastModified: minute(9) },
    }),
  ],
  [
    "a delta that edits",
    delta({ placeVisits: [visit("v", { notes: "edited", localVersion: 2, serverVersion: 99 })] }),
  ],
  [
    "a delta that edits after a lost answer",
    delta({ placeVisits: [visit("v", { notes: "edited", localVersion: 2 })] }),
  ],
  [
    "a delta that deletes",
    delta({ placeVisits: [deleted(visit("v"))], photoAttachments: [deleted(attachment("a", "p", "v"))] }),
  ],
  [
    "a delta of envelopes",
    delta({ placeVisits: [envelope("sealed", "x"), envelope(null, "without an id")] }, { isEncrypted: true }),
  ],
  [
    "an envelope over clear text",
    delta({ placeVisits: [envelope("v", "x", { localVersion: 2 })] }, { isEncrypted: true }),
  ],
  [
    "a delta that meets a conflict",
    async (device, other) => {
      await other.sync({
        placeVisits: [visit("v", { notes: "theirs", serverVersion: await other.counter() })],
      });
      return delta({ placeVisits: [visit("v", { notes: "mine", serverVersion: 0 })] })(device, other);
    },
    1,
  ],
  [
    "a day that loses to a later one",
    async (device, other) => {
      await other.sync({
        tripDays: [tripDay("d", "t", "2025-04-01", { notes: "late", lastModified: minute(9) })],
      });
      return delta({ tripDays: [tripDay("d", "t", "2025-04-01", { notes: "early" })] })(device, other);
    },
    2,
  ],
  [
    "a batch of points",
    rest("POST", "/locations/batch", {
      locations: [location("l9"), location("l10", { timestamp: minute(2) })],
    }),
  ],
  ["DELETE of a point", rest("DELETE", "/locations/l")],
  ["POST of a visit", rest("POST", "/place-visits", visit("v9", { photos: ["p"], tripId: "t" }))],
  ["PUT of a visit", put("/place-visits/v", { notes: "put", photos: [] })],
  ["DELETE of a visit", rest("DELETE", "/place-visits/v")],
  ["POST of a trip", rest("POST", "/trips", trip("t9", { placeVisits: ["v"] }))],
  ["PUT of a trip", put("/trips/t", { name: "put", photos: ["p"] })],
  ["DELETE of a trip", rest("DELETE", "/trips/t")],
  ["DELETE of a photo", rest("DELETE", "/photos/p")],
  [
    "POST of an attachment",
    rest("POST", "/photos/attachments", { attachments: [attachment("a9", "p", "v")] }),
  ],
  [
    "an attachment that is deleted",
    rest("POST", "/photos/attachments", { attachments: [deleted(attachment("a", "p", "v"))] }),
  ],
  ["PUT of a new day", rest("PUT", "/trips/t/days/2025-04-02", { notes: "sun" })],
  ["PUT of a day", put("/trips/t/days/2025-04-01", { notes: "sun" })],
  ["PUT of the settings", put("/settings", { unitPreferences: { distanceUnit: "IMPERIAL" } })],
  ["resolve KEEP_LOCAL", resolve("KEEP_LOCAL"), 1],
  ["resolve KEEP_REMOTE", resolve("KEEP_REMOTE"), 1],
  ["resolve MERGE", resolve("MERGE", { notes: "both" }), 1],
  ["resolve MANUAL", resolve("MANUAL", { notes: "both", isFavorite: "true" }), 1],
];

/** An answer without what tells when it was made, how many points were new and how far the account has come. */
function told({ status, json }: Answer): Json {
  const text = JSON.stringify({ status, json: json ?? null }, (key, value) =>
    /^(syncTimestamp|syncVersion|attachedAt|accepted|duplicates|remoteChanges|latestVersion)$/.test(key)
      ? undefined
      : value,
  );
  return JSON.parse(text);
}

async function state(device: Device): Promise<Json> {
  const [clear] = await (await device.another()).everything();
  const [sealed] = await (await device.another()).everything({ isEncrypted: true });
  const conflicts = await device.conflicts();
  return {
    counter: await device.counter(),
    clear: clear.remoteChanges,
    sealed: sealed.remoteChanges,
    conflicts: conflicts.map(({ resolvedAt: _at, ...conflict }) => conflict),
  };
}

describe("every write can be repeated:", () => {
  test.each(writes)("%s", async (_name, prepare, conflicts = 0) => {
    const [device, other] = await twoDevices(server);
    await device.sync({
      locations: [location("l")],
      placeVisits: [visit("v", { photos: ["p"] })],
      trips: [trip("t", { placeVisits: ["v"] })],
      photos: [photo("p")],
      photoAttachments: [attachment("a", "p", "v")],
      tripDays: [tripDay("d", "t", "2025-04-01")],
    });
    const send = await prepare(device, other);
    const first = await send();
    expect(first.status).toBeLessThan(300);
    const after = await state(device);
    expect(after.conflicts).toHaveLength(conflicts);
    for (let times = 0; times < 3; times++) expect(told(await send())).toEqual(told(first));
    const atOnce = await Promise.all(Array.from({ length: 10 }, send));
    for (const answer of atOnce) expect(answer.status).toBe(first.status);
    expect(await state(device)).toEqual(after);
    // Months later: the device has long written other things.
    await device.sync({ placeVisits: [visit("another")], locations: [location("far", { latitude: 1 })] });
    const moved = await state(device);
    expect((await send()).status).toBe(first.status);
    expect(await state(device)).toEqual(moved);
  });
});

test("ten requests at once make one entity, also when none came before", async () => {
  const [device] = await twoDevices(server);
  const answers = await Promise.all(
    Array.from({ length: 10 }, () => device.sendDelta({ localChanges: { placeVisits: [visit("v")] } })),
  );
  for (const { json } of answers) expect([json.accepted.placeVisits, json.conflicts]).toEqual([["v"], []]);
  const posts = await Promise.all(
    Array.from({ length: 10 }, () => device.request("POST", "/place-visits", visit("w"))),
  );
  for (const { status, json } of posts) expect([status, json.serverVersion]).toEqual([201, 2]);
  expect(await device.counter()).toBe(2);
});

test("a request from months ago does not undo what the same device wrote since", async () => {
  const [device] = await twoDevices(server);
  const old = { placeVisits: [visit("v", { notes: "old", localVersion: 1 })] };
  await device.syncAndLose(old);
  await device.sync({ placeVisits: [visit("v", { notes: "new", localVersion: 2 })] });
  await device.sync({
    placeVisits: [visit("v", { notes: "newer", localVersion: 3, serverVersion: device.cursor })],
  });
  const before = await device.counter();
  const late = await device.delta({ localChanges: old });
  expect([late.accepted.placeVisits, late.conflicts]).toEqual([["v"], []]);
  expect(await device.counter()).toBe(before);
  expect(await device.call("GET", "/place-visits/v")).toMatchObject({ notes: "newer" });
});

test("a deletion that comes again after the entity was made anew by the same device leaves it alone", async () => {
  const [device] = await twoDevices(server);
  await device.sync({ placeVisits: [visit("v")] });
  const deletion = { placeVisits: [deleted(visit("v", { localVersion: 2, serverVersion: 1 }))] };
  await device.sync(deletion);
  await device.sync({ placeVisits: [visit("v", { localVersion: 3, serverVersion: device.cursor })] });
  expect((await device.sync(deletion)).accepted.placeVisits).toEqual(["v"]);
  expect((await device.request("GET", "/place-visits/v")).status).toBe(200);
});

test("digits of an instant below a millisecond, other offsets and explicit nulls are no other content", async () => {
  const [device, other] = await twoDevices(server);
  await device.sync({ placeVisits: [visit("v", { arrivalTime: "2025-04-01T12:00:00.123456789Z" })] });
  const again = visit("v", {
    arrivalTime: "2025-04-01T14:00:00.123+02:00",
    address: undefined,
    photos: null,
  });
  expect((await other.sync({ placeVisits: [again] })).accepted.placeVisits).toEqual(["v"]);
  expect(await device.counter()).toBe(1);
});
