import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { type Device, idsOf, newDevice, startSyncServer, twoDevices } from "../support/sync-client.ts";
import { deleted, location, minute, photo, trip, visit } from "../support/sync-entities.ts";
import type { TestServer } from "../support/test-server.ts";

/* What today's apps really send, and what must become of it (http-api.md, rules 1 to 11). */

let server: TestServer;
beforeAll(async () => {
  server = await startSyncServer();
});
afterAll(() => server.stop());

describe("what a phone never knows is no news when it is empty", () => {
  const edited = (device: Device) => ({
    localVersion: 2,
    serverVersion: device.cursor,
    lastModified: minute(9),
  });

  test("altitude and battery of a point", async () => {
    const device = await newDevice(server);
    await device.sync({ locations: [location("l", { altitude: 520.5, batteryLevel: 0.5 })] });
    const answer = await device.sync({ locations: [location("l")] });
    expect(answer.accepted.locations).toEqual(["l"]);
    expect(await device.call("GET", "/locations/l")).toMatchObject({
      altitude: 520.5,
      batteryLevel: 0.5,
      serverVersion: 1,
    });
  });

  test("caption, exif data and links of a photo", async () => {
    const device = await newDevice(server);
    const exifData = {
      cameraModel: "Pixel 8",
      focalLength: 6.9,
      aperture: 1.7,
      iso: 50,
      shutterSpeed: "1/100",
    };
    await device.sync({
      photos: [photo("p", { caption: "lake", exifData, placeVisitId: "v", tripId: "t" })],
      placeVisits: [visit("v")],
      trips: [trip("t")],
    });
    await device.sync({ photos: [photo("p", { ...edited(device), location: null })] });
    expect(await device.call("GET", "/photos/p")).toMatchObject({
      caption: "lake",
      exifData,
      placeVisitId: "v",
      tripId: "t",
      location: null,
    });
  });

  test("the trip of a visit, and the members of a trip", async () => {
    const device = await newDevice(server);
    await device.sync({
      placeVisits: [visit("v")],
      photos: [photo("p")],
      trips: [trip("t", { placeVisits: ["v"], photos: ["p"] })],
    });
    await device.sync({
      placeVisits: [visit("v", { ...edited(device), notes: "x" })],
      trips: [trip("t", { ...edited(device), name: "x" })],
    });
    expect(await device.call("GET", "/place-visits/v")).toMatchObject({ notes: "x", tripId: "t" });
    expect(await device.call("GET", "/trips/t")).toMatchObject({
      name: "x",
      placeVisits: ["v"],
      photos: ["p"],
    });
  });

  test("such a repeat is no change at all", async () => {
    const [first, second] = await twoDevices(server);
    await first.sync({ photos: [photo("p", { caption: "lake" })] });
    const answer = await second.sync({ photos: [photo("p")] });
    expect([answer.accepted.photos, answer.conflicts]).toEqual([["p"], []]);
    expect(answer.remoteChanges.photos).toMatchObject([{ caption: "lake" }]);
    expect(await first.counter()).toBe(1);
  });

  test("what it does know is erased when it is empty", async () => {
    const device = await newDevice(server);
    await device.sync({
      placeVisits: [visit("v", { notes: "x", address: "y" })],
      trips: [trip("t", { notes: "x" })],
    });
    await device.sync({
      placeVisits: [visit("v", edited(device))],
      trips: [trip("t", { ...edited(device), countries: [] })],
    });
    expect(await device.call("GET", "/place-visits/v")).toMatchObject({ notes: null, address: null });
    expect(await device.call("GET", "/trips/t")).toMatchObject({ notes: null, countries: [] });
  });
});

describe("a photo's url is a path on the phone", () => {
  test("and never kept or handed to anyone", async () => {
    const [first, second] = await twoDevices(server);
    const url = `content://media/${crypto.randomUUID()}`;
    await first.sync({ photos: [photo("p", { url, thumbnailUrl: url })] });
    const { conflicts, remoteChanges } = await second.sync({
      photos: [photo("p", { url, timestamp: minute(7), lastModified: minute(9) })],
    });
    await second.resolve(conflicts[0].conflictId, "MERGE", { url, timestamp: minute(7) });
    expect(
      JSON.stringify([conflicts, remoteChanges, await first.sync(), await first.conflicts()]),
    ).not.toContain(url);
    expect(await first.call("GET", "/photos/p")).toMatchObject({ url: null, thumbnailUrl: null });
    for (const table of ["photos", "sync_conflicts"]) {
      const rows = await first.rows(
        sql`SELECT 1 FROM ${sql.identifier(table)} t WHERE strpos(to_jsonb(t)::text, ${url}) > 0`,
      );
      expect(rows).toEqual([]);
    }
  });
});

describe("points", () => {
  test("of iOS, which says -1 for what it does not know", async () => {
    const device = await newDevice(server);
    const answer = await device.sync({
      locations: [location("l", { speed: -1, bearing: -1, batteryLevel: -1 })],
    });
    expect(answer.accepted.locations).toEqual(["l"]);
    expect(await device.call("GET", "/locations/l")).toMatchObject({
      speed: null,
      bearing: null,
      batteryLevel: null,
    });
    expect((await device.sync({ locations: [location("l2", { speed: -2 })] })).accepted.locations).toEqual(
      [],
    );
  });

  test("of one device, instant and place are one, whatever their ids; also within a request", async () => {
    const device = await newDevice(server);
    const batch = (points: unknown[]) =>
      device.call("POST", "/locations/batch", { deviceId: device.id, locations: points });
    expect(await batch([location("a"), location("b", { provider: "NETWORK" })])).toMatchObject({
      accepted: 1,
      rejected: 0,
      duplicates: 1,
    });
    expect(await batch([location("c", { timestamp: "2025-04-01T14:00:00.0009+02:00" })])).toMatchObject({
      accepted: 0,
      duplicates: 1,
    });
    expect((await device.sync({ locations: [location("d")] })).accepted.locations).toEqual(["d"]);
    expect(idsOf((await device.call("GET", "/locations")).locations)).toEqual(["a"]);
  });

  test("of another device, instant or place are others", async () => {
    const [first, second] = await twoDevices(server);
    await first.sync({
      locations: [
        location("a"),
        location("b", { timestamp: minute(1) }),
        location("c", { latitude: 48.100_000_1 }),
      ],
    });
    await second.sync({ locations: [location("d")] });
    expect(idsOf((await first.call("GET", "/locations")).locations).sort()).toEqual(["a", "b", "c", "d"]);
  });

  test("minus zero is zero: the same place", async () => {
    const device = await newDevice(server);
    const body = JSON.stringify({
      deviceId: device.id,
      locations: [location("a", { latitude: 0 }), location("b", { latitude: "-0" })],
    });
    expect(
      (await device.request("POST", "/locations/batch", body.replace('"-0"', "-0.0"))).json,
    ).toMatchObject({ accepted: 1, duplicates: 1 });
  });

  test("that were deleted do not come back by a late repeat, and the sender is told", async () => {
    const [first, second] = await twoDevices(server);
    await first.sync({ locations: [location("l")] });
    await second.sync();
    await second.sync({ locations: [deleted(location("l", { serverVersion: null }))] });
    const answer = await first.sync({ locations: [location("l")] });
    expect([answer.accepted.locations, answer.remoteChanges.deletedIds.locations]).toEqual([["l"], ["l"]]);
    expect((await first.request("GET", "/locations/l")).status).toBe(404);
  });

  test("of one id that two devices tell differently: the first stands, and the second is given it", async () => {
    const [first, second] = await twoDevices(server);
    await first.sync({ locations: [location("l", { accuracy: 1 })] });
    const answer = await second.sync({ locations: [location("l", { accuracy: 2 })] });
    expect([answer.accepted.locations, answer.conflicts]).toEqual([["l"], []]);
    expect(answer.remoteChanges.locations).toMatchObject([{ id: "l", accuracy: 1 }]);
  });
});

describe("ids are opaque and keep their case", () => {
  test.each([
    "sample_2f1c8a5e-9f7e-4c3a-8a53-6c8de5c5a001",
    "visit_1731840000000_-12345678_-9",
    "2F1C8A5E-9F7E-4C3A-8A53-6C8DE5C5A001",
    "null",
    "NULL",
    "a.b:c",
  ])("%s", async (id) => {
    const device = await newDevice(server);
    await device.sync({ placeVisits: [visit(id), visit(`${id}x`.toLowerCase())] });
    expect(await device.call("GET", `/place-visits/${id}`)).toMatchObject({ id });
    expect((await device.request("DELETE", `/place-visits/${id}`)).status).toBe(204);
    expect(idsOf((await device.call("GET", "/place-visits")).placeVisits)).toEqual([`${id}x`.toLowerCase()]);
  });
});

test("texts of every script come back as they went", async () => {
  const [first, second] = await twoDevices(server);
  const notes = 'Zürich "quoted" \\ back\tslash\n{braces},\u2028 \u{1f6b2} null NULL';
  await first.sync({
    placeVisits: [visit("v", { notes, placeName: "null" })],
    trips: [trip("t", { countries: [notes, ""] })],
  });
  const { remoteChanges } = await second.sync();
  expect(remoteChanges.placeVisits).toMatchObject([{ notes, placeName: "null" }]);
  expect(remoteChanges.trips).toMatchObject([{ countries: [notes, ""] }]);
});

test("a phone's device id in upper case is the same device", async () => {
  const device = await newDevice(server, crypto.randomUUID().toUpperCase());
  const answer = await device.sync({ placeVisits: [visit("v")] });
  expect(answer.accepted.placeVisits).toEqual(["v"]);
  await device.sync({ placeVisits: [visit("v", { notes: "x", localVersion: 2 })] });
  expect(await device.call("GET", "/place-visits/v")).toMatchObject({
    notes: "x",
    deviceId: device.id.toLowerCase(),
  });
});
