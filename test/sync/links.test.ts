import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  type Device,
  idsOf,
  type Json,
  newDevice,
  startSyncServer,
  twoDevices,
} from "../support/sync-client.ts";
import { attachment, deleted, photo, trip, tripDay, visit } from "../support/sync-entities.ts";
import type { TestServer } from "../support/test-server.ts";

/* Photos of visits, visits and photos of trips: rows of their own, kept before both of their ends are known. */

let server: TestServer;
beforeAll(async () => {
  server = await startSyncServer();
});
afterAll(() => server.stop());

/** What shows at whom, as a fresh device is given it. */
async function links(device: Device): Promise<Json> {
  const [{ remoteChanges }] = (await (await device.another()).everything()) as [Json];
  const pick = (list: Json[], keys: string[]) =>
    Object.fromEntries(list.map((entity) => [entity.id, keys.map((key) => entity[key])]));
  return {
    ...pick(remoteChanges.placeVisits, ["photos", "tripId"]),
    ...pick(remoteChanges.trips, ["placeVisits", "photos"]),
    ...pick(remoteChanges.photos, ["placeVisitId", "tripId"]),
  };
}

const linked = { v: [["p"], "t"], t: [["v"], ["p"]], p: ["v", "t"] };

const pieces: Record<string, unknown>[] = [
  { placeVisits: [visit("v")] },
  { photos: [photo("p")] },
  { trips: [trip("t", { placeVisits: ["v"], photos: ["p"] })] },
  { photoAttachments: [attachment("a", "p", "v")] },
];

function orders<T>(list: readonly T[]): T[][] {
  if (list.length === 0) return [[]];
  return list.flatMap((one, at) => orders(list.toSpliced(at, 1)).map((rest) => [one, ...rest]));
}

describe("order never matters", () => {
  test.each(
    orders(pieces).map((order) => [order.flatMap((piece) => Object.keys(piece)).join(", "), order] as const),
  )("between batches: %s", async (_names, order) => {
    const device = await newDevice(server);
    const watcher = await device.another();
    const watched = new Map<string, Json>();
    for (const piece of order) {
      await device.sync(piece);
      const { remoteChanges } = await watcher.sync();
      for (const list of [remoteChanges.placeVisits, remoteChanges.trips, remoteChanges.photos])
        for (const entity of list) watched.set(entity.id, entity);
    }
    expect(await links(device)).toEqual(linked);
    // Whoever watched all along was told of every link when it began to show.
    expect(watched.get("v")).toMatchObject({ photos: ["p"], tripId: "t" });
    expect(watched.get("t")).toMatchObject({ placeVisits: ["v"], photos: ["p"] });
    expect(watched.get("p")).toMatchObject({ placeVisitId: "v", tripId: "t" });
  });

  test("within a batch, and from either end", async () => {
    const device = await newDevice(server);
    await device.sync({
      photos: [photo("p", { placeVisitId: "v", tripId: "t" })],
      trips: [trip("t")],
      placeVisits: [visit("v", { tripId: "t" })],
    });
    expect(await links(device)).toEqual(linked);
    const other = await newDevice(server);
    await other.sync({
      placeVisits: [visit("v", { photos: ["p"], tripId: "t" })],
      photos: [photo("p")],
      trips: [trip("t", { photos: ["p"] })],
    });
    expect(await links(other)).toEqual(linked);
  });
});

test("a link to what is not there yet shows when it arrives, and the device that made the link is told, too", async () => {
  const [first, second] = await twoDevices(server);
  await first.sync({ placeVisits: [visit("v", { photos: ["p"] })] });
  expect((await second.sync()).remoteChanges.placeVisits).toMatchObject([{ photos: [] }]);
  await second.sync({ photos: [photo("p")] });
  expect((await first.sync()).remoteChanges).toMatchObject({
    placeVisits: [{ id: "v", photos: ["p"] }],
    photos: [{ id: "p", placeVisitId: "v" }],
  });
});

test("a touch gives the entity a new version, and nobody's edit comes into conflict with that", async () => {
  const [first, second] = await twoDevices(server);
  await first.sync({ placeVisits: [visit("v")], photos: [photo("p")] });
  const base = first.cursor;
  await second.sync({ photoAttachments: [attachment("a", "p", "v")] });
  const answer = await first.sync({
    placeVisits: [visit("v", { notes: "edited", serverVersion: base, localVersion: 2 })],
  });
  expect([answer.accepted.placeVisits, answer.conflicts]).toEqual([["v"], []]);
  expect(await links(first)).toMatchObject({ v: [["p"], null] });
});

describe("a delta adds links and never takes them away", () => {
  test("with empty lists, with nulls, and with other ids", async () => {
    const device = await newDevice(server);
    await device.sync({
      placeVisits: [visit("v", { photos: ["p"], tripId: "t" })],
      trips: [trip("t")],
      photos: [photo("p", { tripId: "t" }), photo("q")],
    });
    const again = { serverVersion: device.cursor, localVersion: 2, notes: "x" };
    await device.sync({
      placeVisits: [visit("v", { ...again, photos: ["q"] })],
      trips: [trip("t", again)],
      photos: [photo("p", { ...again, caption: "x" })],
    });
    expect(await links(device)).toEqual({ ...linked, v: [["p", "q"], "t"], q: ["v", null] });
  });

  test("whoever lists less than there is, is given the whole", async () => {
    const [first, second] = await twoDevices(server);
    await first.sync({ placeVisits: [visit("v", { photos: ["p"] })], photos: [photo("p"), photo("q")] });
    await second.sync();
    await second.sync({
      placeVisits: [visit("v", { photos: ["q"], serverVersion: second.cursor, localVersion: 2 })],
    });
    expect((await second.sync()).remoteChanges.placeVisits).toMatchObject([{ id: "v", photos: ["p", "q"] }]);
  });
});

describe("a PUT that lists them takes links away", () => {
  async function visitOf(photos: string[]): Promise<[Device, Device, number]> {
    const [first, second] = await twoDevices(server);
    await first.sync({ placeVisits: [visit("v", { photos })], photos: photos.map((id) => photo(id)) });
    await second.sync();
    return [first, second, (await first.call("GET", "/place-visits/v")).serverVersion];
  }

  test("of a visit; other devices and the photo are told", async () => {
    const [first, second, expectedVersion] = await visitOf(["p", "q"]);
    await first.call("PUT", "/place-visits/v", { expectedVersion, photos: ["q"] });
    const { placeVisits, photos } = (await second.sync()).remoteChanges;
    expect(placeVisits).toMatchObject([{ photos: ["q"] }]);
    expect(photos.find(({ id }: Json) => id === "p")).toMatchObject({ placeVisitId: null });
  });

  test("not when it says nothing of them", async () => {
    const [first, , expectedVersion] = await visitOf(["p"]);
    await first.call("PUT", "/place-visits/v", { expectedVersion, notes: "x", photos: null });
    expect(await first.call("GET", "/place-visits/v")).toMatchObject({ photos: ["p"] });
  });

  test("a stale list of a phone does not bring them back, a knowing one does", async () => {
    const [first, second, expectedVersion] = await visitOf(["p"]);
    await first.call("PUT", "/place-visits/v", { expectedVersion, photos: [] });
    const stale = visit("v", { photos: ["p"], localVersion: 1 });
    for (const serverVersion of [null, 0, expectedVersion])
      await first.sync({ placeVisits: [{ ...stale, serverVersion }] });
    await second.sync({ placeVisits: [{ ...stale, serverVersion: null }] });
    expect(await first.call("GET", "/place-visits/v")).toMatchObject({ photos: [] });
    await first.sync();
    await first.sync({ placeVisits: [{ ...stale, serverVersion: await first.counter(), localVersion: 5 }] });
    expect(await first.call("GET", "/place-visits/v")).toMatchObject({ photos: ["p"] });
  });

  test("of a trip", async () => {
    const device = await newDevice(server);
    await device.sync({
      trips: [trip("t", { placeVisits: ["v", "w"], photos: ["p"] })],
      placeVisits: [visit("v"), visit("w")],
      photos: [photo("p")],
    });
    const { serverVersion } = await device.call("GET", "/trips/t");
    await device.call("PUT", "/trips/t", { expectedVersion: serverVersion, placeVisits: ["w"] });
    expect(await links(device)).toEqual({ t: [["w"], ["p"]], v: [[], null], w: [[], "t"], p: [null, "t"] });
    await device.sync({ trips: [trip("t", { placeVisits: ["v", "w"], localVersion: 1 })] });
    expect(await links(device)).toMatchObject({ t: [["w"], ["p"]] });
  });
});

describe("attachments", () => {
  test("deleting one takes the photo from the visit, and a stale list does not bring it back", async () => {
    const [first, second] = await twoDevices(server);
    await first.sync({
      placeVisits: [visit("v")],
      photos: [photo("p")],
      photoAttachments: [attachment("a", "p", "v")],
    });
    await second.sync();
    await second.sync({
      photoAttachments: [
        deleted(attachment("a", "p", "v", { serverVersion: second.cursor, localVersion: 2 })),
      ],
    });
    expect((await first.sync()).remoteChanges).toMatchObject({
      placeVisits: [{ photos: [] }],
      photos: [{ placeVisitId: null }],
      deletedIds: { photoAttachments: ["a"] },
    });
    await first.sync({ placeVisits: [visit("v", { photos: ["p"] })] });
    expect(await links(first)).toEqual({ v: [[], null], p: [null, null] });
  });

  test("deleting by REST does the same", async () => {
    const device = await newDevice(server);
    await device.sync({ placeVisits: [visit("v", { photos: ["p"] })], photos: [photo("p")] });
    const { attachments } = await device.call("GET", "/place-visits/v/photos");
    expect(attachments).toMatchObject([{ photoId: "p", placeVisitId: "v" }]);
    await device.call("POST", "/photos/attachments", {
      attachments: [deleted(attachment(attachments[0].id, "p", "v", { serverVersion: 99 }))],
    });
    expect(await links(device)).toEqual({ v: [[], null], p: [null, null] });
    expect((await device.call("GET", "/photos/p/attachments")).attachments).toEqual([]);
  });

  test("a phone's own takes the place of one that a list made: deleting it is enough", async () => {
    const device = await newDevice(server);
    await device.sync({ placeVisits: [visit("v", { photos: ["p"] })], photos: [photo("p")] });
    await device.sync({ photoAttachments: [attachment("a", "p", "v")] });
    expect(idsOf((await device.call("GET", "/photos/p/attachments")).attachments)).toEqual(["a"]);
    await device.sync({ photoAttachments: [deleted(attachment("a", "p", "v", { localVersion: 2 }))] });
    expect(await links(device)).toEqual({ v: [[], null], p: [null, null] });
  });

  const madeByList = async (first: Device) => {
    await first.sync({ placeVisits: [visit("v", { photos: ["p"] })], photos: [photo("p")] });
    return (await first.call("GET", "/photos/p/attachments")).attachments[0] as Json;
  };
  const captions = async (device: Device) =>
    Object.fromEntries(
      (await device.call("GET", "/photos/p/attachments")).attachments.map(({ id, caption }: Json) => [
        id,
        caption,
      ]),
    );

  test("one that a list made and that its phone sends with its own is no longer in the way", async () => {
    const [first, second] = await twoDevices(server);
    const { id, serverVersion } = await madeByList(first);
    await second.sync();
    const edited = attachment(id, "p", "v", { caption: "the summit", localVersion: 1, serverVersion });
    const { accepted } = await second.sync({ photoAttachments: [edited, attachment("a", "p", "v")] });
    expect(accepted.photoAttachments).toEqual([id, "a"]);
    expect(await captions(first)).toEqual({ [id]: "the summit", a: null });
  });

  test("one that a list made stays when its phone sends it, unchanged, with its own", async () => {
    const [first, second] = await twoDevices(server);
    const { id, attachedAt, serverVersion } = await madeByList(first);
    await second.sync();
    const same = attachment(id, "p", "v", { attachedAt, caption: null, localVersion: 1, serverVersion });
    const { accepted } = await second.sync({ photoAttachments: [same, attachment("a", "p", "v")] });
    expect(accepted.photoAttachments).toEqual([id, "a"]);
    expect(Object.keys(await captions(first)).sort()).toEqual(["a", id]);
  });

  test("one that a list made is not in the way of a list that comes from the other end", async () => {
    const device = await newDevice(server);
    await device.sync({ photos: [photo("p", { placeVisitId: "v" })] });
    await device.sync({ placeVisits: [visit("v", { photos: ["p"] })] });
    expect(await links(device)).toEqual({ v: [["p"], null], p: ["v", null] });
  });

  test("a list makes none beside a phone's own", async () => {
    const device = await newDevice(server);
    await device.sync({ photoAttachments: [attachment("a", "p", "v")] });
    await device.sync({ placeVisits: [visit("v", { photos: ["p"] })], photos: [photo("p")] });
    expect(Object.keys(await captions(device))).toEqual(["a"]);
  });

  test("one that a list made and that somebody wrote a caption to stays beside another's own", async () => {
    const [first, second] = await twoDevices(server);
    const { id, serverVersion } = await madeByList(first);
    await first.sync({
      photoAttachments: [attachment(id, "p", "v", { caption: "the summit", localVersion: 1, serverVersion })],
    });
    await second.sync({ photoAttachments: [attachment("a", "p", "v")] });
    expect(await captions(first)).toEqual({ [id]: "the summit", a: null });
  });

  test("one that a list made and that was moved stays where it is", async () => {
    const [first, second] = await twoDevices(server);
    const { id, serverVersion } = await madeByList(first);
    const moved = attachment(id, "p", "w", { localVersion: 1, serverVersion });
    await second.sync({ placeVisits: [visit("w")], photoAttachments: [moved] });
    // Its id is the one that would be given to what links the former pair.
    await first.sync({ photoAttachments: [attachment("a", "p", "v")] });
    await first.sync({ photoAttachments: [deleted(attachment("a", "p", "v", { localVersion: 2 }))] });
    expect(await links(first)).toMatchObject({ v: [[], null], w: [["p"], null] });
    await first.call("PUT", "/place-visits/v", { ...visit("v", { photos: ["p"] }), expectedVersion: 99 });
    expect(await links(first)).toMatchObject({ v: [["p"], null], w: [["p"], null] });
  });

  test("one that moves leaves its former visit", async () => {
    const [first, second] = await twoDevices(server);
    await first.sync({
      placeVisits: [visit("v"), visit("w")],
      photos: [photo("p")],
      photoAttachments: [attachment("a", "p", "v")],
    });
    await second.sync();
    await first.sync({ photoAttachments: [attachment("a", "p", "w", { localVersion: 2 })] });
    const { placeVisits } = (await second.sync()).remoteChanges;
    expect(placeVisits.map(({ id, photos }: Json) => [id, photos]).sort()).toEqual([
      ["v", []],
      ["w", ["p"]],
    ]);
  });
});

describe("deletions", () => {
  test("of a trip keep its visits and photos, and tell that they have no trip", async () => {
    const [first, second] = await twoDevices(server);
    await first.sync({
      trips: [trip("t", { placeVisits: ["v"], photos: ["p"] })],
      placeVisits: [visit("v")],
      photos: [photo("p")],
    });
    await second.sync();
    await first.call("DELETE", "/trips/t");
    expect((await second.sync()).remoteChanges).toMatchObject({
      placeVisits: [{ id: "v", tripId: null }],
      photos: [{ id: "p", tripId: null }],
      deletedIds: { trips: ["t"], placeVisits: [], photos: [] },
    });
    expect(await links(first)).toEqual({ v: [[], null], p: [null, null] });
  });

  test("of a visit or a photo take it out of lists, and it comes back with it", async () => {
    const [first, second] = await twoDevices(server);
    await first.sync({
      trips: [trip("t", { placeVisits: ["v"], photos: ["p"] })],
      placeVisits: [visit("v", { photos: ["p"] })],
      photos: [photo("p")],
    });
    await second.sync();
    await first.sync({ photos: [deleted(photo("p", { localVersion: 2 }))] });
    expect((await second.sync()).remoteChanges).toMatchObject({
      placeVisits: [{ photos: [] }],
      trips: [{ photos: [] }],
    });
    await first.sync({ photos: [photo("p", { localVersion: 3, serverVersion: 99 })] });
    expect((await second.sync()).remoteChanges).toMatchObject({
      placeVisits: [{ photos: ["p"] }],
      trips: [{ photos: ["p"] }],
    });
    expect(await links(first)).toEqual(linked);
  });
});

describe("days of a trip", () => {
  test("by REST and by delta are one", async () => {
    const [first, second] = await twoDevices(server);
    await first.sync({ trips: [trip("t")] });
    const { id, serverVersion } = await first.call("PUT", "/trips/t/days/2025-04-01", { notes: "rain" });
    expect((await second.sync()).remoteChanges.tripDays).toMatchObject([
      { id, tripId: "t", date: "2025-04-01", notes: "rain", serverVersion },
    ]);
    await second.sync({
      tripDays: [
        tripDay(id, "t", "2025-04-01", { notes: "sun", serverVersion: second.cursor }),
        tripDay("d2", "t", "2025-04-02"),
      ],
    });
    const { days, pagination } = await first.call("GET", "/trips/t/days");
    expect(days).toMatchObject([
      { date: "2025-04-01", notes: "sun" },
      { id: "d2", date: "2025-04-02" },
    ]);
    expect(pagination).toMatchObject({ total: 2, hasMore: false });
    expect(
      (
        await first.request("PUT", "/trips/t/days/2025-04-01", {
          notes: "snow",
          expectedVersion: serverVersion,
        })
      ).status,
    ).toBe(409);
  });

  test("of a trip that came later, and of one date twice: the one written last speaks", async () => {
    const device = await newDevice(server);
    await device.sync({
      tripDays: [
        tripDay("d1", "t", "2025-04-01", { notes: "one" }),
        tripDay("d2", "t", "2025-04-01", { notes: "two" }),
      ],
    });
    expect((await device.request("GET", "/trips/t/days")).status).toBe(404);
    await device.sync({ trips: [trip("t")] });
    expect((await device.call("GET", "/trips/t/days")).days).toMatchObject([{ id: "d2", notes: "two" }]);
    expect(await device.call("GET", "/trips/t/days/2025-04-01")).toMatchObject({ notes: "two" });
  });

  test("one that was deleted can be written again by whoever knows of that", async () => {
    const device = await newDevice(server);
    await device.sync({ trips: [trip("t")] });
    const { id } = await device.call("PUT", "/trips/t/days/2025-04-01", { notes: "rain" });
    await device.sync({ tripDays: [deleted(tripDay(id, "t", "2025-04-01", { serverVersion: 99 }))] });
    const path = "/trips/t/days/2025-04-01";
    expect((await device.request("GET", path)).status).toBe(404);
    const refused = await device.request("PUT", path, { notes: "again" });
    expect(refused.status).toBe(409);
    await device.call("PUT", path, { notes: "again", expectedVersion: refused.json.currentVersion });
    expect(await device.call("GET", path)).toMatchObject({ id, notes: "again" });
  });

  test.each(["2025-02-30", "yesterday", "2025-4-1"])("%s is no day", async (date) => {
    const device = await newDevice(server);
    await device.sync({ trips: [trip("t")] });
    expect((await device.request("PUT", `/trips/t/days/${date}`, { notes: "x" })).status).toBe(400);
  });
});
