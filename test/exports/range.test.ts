import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mapJournal } from "../../src/exports/map-journal.ts";
import { Snapshot } from "../../src/exports/snapshot.ts";
import { type PictureServer, startPictureServer, upload } from "../storage/picture-server.ts";
import { type Device, type Json, newDevice } from "../support/sync-client.ts";
import {
  attachment,
  deleted,
  envelope,
  location,
  photo,
  trip,
  tripDay,
  visit,
} from "../support/sync-entities.ts";
import { exportFiles, linkAt, orderOf, readJson, requestExport, statusOf, unzip } from "./archives.ts";

let server: PictureServer;
let device: Device;
beforeAll(async () => {
  server = await startPictureServer("directory");
  device = await newDevice(server);
});
afterAll(() => server.stop());

const idsIn = (files: ReadonlyMap<string, Buffer>, name: string): string[] =>
  readJson(files, name)
    .map(({ id }: Json) => id)
    .toSorted();

describe("a range", () => {
  const noon = (day: string) => `2025-05-${day}T12:00:00.000Z`;
  beforeAll(async () => {
    await device.sync({
      locations: [
        location("p-before", { timestamp: "2025-05-09T23:59:59.999Z" }),
        location("p-first", { timestamp: "2025-05-10T00:00:00.000Z" }),
        location("p-last", { timestamp: "2025-05-12T23:59:59.999Z" }),
        location("p-after", { timestamp: "2025-05-13T00:00:00.000Z" }),
      ],
      placeVisits: [
        visit("v-before", { arrivalTime: noon("08"), departureTime: noon("09") }),
        visit("v-into", { arrivalTime: noon("09"), departureTime: noon("10") }),
        visit("v-around", { arrivalTime: noon("01"), departureTime: noon("30") }),
        visit("v-out", { arrivalTime: noon("12"), departureTime: noon("14") }),
        visit("v-after", { arrivalTime: noon("13"), departureTime: noon("14") }),
        visit("v-open", { arrivalTime: noon("11"), departureTime: null }),
        visit("v-open-before", { arrivalTime: noon("05"), departureTime: null }),
      ],
      trips: [
        trip("t-before", { startDate: noon("01"), endDate: noon("09"), placeVisits: ["v-around"] }),
        trip("t-in", { startDate: noon("09"), endDate: noon("11"), placeVisits: ["v-before"] }),
      ],
      photos: [
        photo("f-before", { timestamp: noon("09") }),
        photo("f-in", { timestamp: noon("11") }),
        photo("f-after", { timestamp: noon("13") }),
      ],
      photoAttachments: [
        attachment("a-photo", "f-in", "v-before"),
        attachment("a-visit", "f-before", "v-into"),
        attachment("a-none", "f-before", "v-before"),
      ],
      tripDays: ["09", "10", "12", "13"].map((day) => tripDay(`d-${day}`, "t-in", `2025-05-${day}`)),
      settings: { unitPreferences: { distanceUnit: "METRIC" }, lastModified: noon("01") },
    });
    await device.sync({ trips: [trip("t-gone")] });
    await device.sync({ trips: [deleted(trip("t-gone"))] });
    await device.sync({ trips: [envelope("t-sealed", "x")] }, { isEncrypted: true });
    for (const id of ["f-before", "f-in", "f-after"]) await upload(device, id);
  });

  test("of days has what falls into them, from first to last moment", async () => {
    const { exportId } = await requestExport(device, { startDate: "2025-05-10", endDate: "2025-05-12" });
    await server.context.worker.runDue();
    const { downloadUrl } = await statusOf(device, exportId);
    const files = await unzip(await (await fetch(linkAt(server, downloadUrl))).bytes());
    expect(idsIn(files, "locations.json")).toEqual(["p-first", "p-last"]);
    expect(idsIn(files, "place-visits.json")).toEqual(["v-around", "v-into", "v-open", "v-out"]);
    expect(idsIn(files, "trips.json")).toEqual(["t-in"]);
    expect(idsIn(files, "trip-days.json")).toEqual(["d-10", "d-12"]);
    expect(idsIn(files, "photos.json")).toEqual(["f-in"]);
    expect(idsIn(files, "photo-attachments.json")).toEqual(["a-photo", "a-visit"]);
    expect(readJson(files, "trip-members.json").map(({ tripId }: Json) => tripId)).toEqual(["t-in"]);
    expect(idsIn(files, "settings.json")).toEqual(["settings"]);
    expect(idsIn(files, "encrypted.json")).toEqual(["t-sealed"]);
    expect(readJson(files, "deleted.json")).toEqual([]);
    expect([...files.keys()].filter((name) => name.startsWith("photos/"))).toHaveLength(1);
    const { range, files: counts } = readJson(files, "export.json");
    expect(range).toEqual({ start: "2025-05-10T00:00:00.000Z", end: "2025-05-12T23:59:59.999Z" });
    expect(counts["locations.json"].rows).toBe(2);
    expect(files.get("README.txt")?.toString()).toContain(
      "2025-05-10T00:00:00.000Z and 2025-05-12T23:59:59.999Z",
    );
  });

  test("may be open at either end, and told by instants", async () => {
    const within = async (start: string | null, end: string | null) =>
      idsIn(
        await exportFiles(server, orderOf(device, { range: { start, end }, includePhotos: false })),
        "locations.json",
      );
    expect(await within("2025-05-12T23:59:59.999Z", null)).toEqual(["p-after", "p-last"]);
    expect(await within(null, "2025-05-10T00:00:00.000Z")).toEqual(["p-before", "p-first"]);
    expect(await within("2025-05-10T00:00:00.001Z", "2025-05-12T23:59:59.998Z")).toEqual([]);
    expect(await within(null, null)).toHaveLength(4);
  });

  test("without pictures says of each where it is not", async () => {
    const files = await exportFiles(server, orderOf(device, { includePhotos: false }));
    expect(readJson(files, "photos.json").map(({ file }: Json) => file.path)).toEqual([null, null, null]);
    expect([...files.keys()].some((name) => name.startsWith("photos/"))).toBe(false);
    expect(readJson(files, "export.json")).toMatchObject({
      photosIncluded: false,
      pictures: [],
      missing: [],
    });
  });
});

describe("thousands of rows", () => {
  test("come once each, by day, device and time, whatever pages they are read in", async () => {
    const first = await newDevice(server);
    const second = await first.another();
    const points = (by: string, count: number) =>
      Array.from({ length: count }, (_, index) =>
        location(`${by}-${(index * 7919) % count}`, {
          // Several at the same moment, and over three days.
          timestamp: new Date(Date.UTC(2025, 0, 1, 22) + Math.floor(index / 3) * 60_000).toISOString(),
          latitude: 10 + (index % 3),
        }),
      );
    await first.sync({ locations: points("a", 6000) });
    await second.sync({ locations: points("b", 5000) });
    const visits = Array.from({ length: 1500 }, (_, index) =>
      visit(`v-${(index * 7) % 1500}`, {
        notes: "x".repeat(index % 400),
        arrivalTime: "2025-01-01T00:00:00.000Z",
        departureTime: null,
      }),
    );
    await first.sync({ placeVisits: visits });
    const seen: Json[] = [];
    const arrived: string[] = [];
    await Snapshot.read(server.context, orderOf(first), async (snapshot) => {
      const journal = mapJournal(snapshot);
      for await (const point of journal.points()) seen.push(point);
      for await (const { id } of journal.visits()) arrived.push(id);
      expect(snapshot.counts.get("locations")).toBe(11_000);
    });
    const key = ({ id, timestamp, deviceId }: Json) =>
      `${timestamp.slice(0, 10)} ${deviceId} ${timestamp} ${id}`;
    const keys = seen.map(key);
    expect(new Set(seen.map(({ id }) => id)).size).toBe(11_000);
    expect(keys).toEqual(keys.toSorted());
    expect(new Set(keys.map((one) => one.slice(0, 10))).size).toBe(3);
    expect(new Set(seen.map(({ deviceName }) => deviceName))).toEqual(new Set(["Pixel 8"]));
    expect(arrived).toEqual(visits.map(({ id }) => String(id)).toSorted());
  });
});
