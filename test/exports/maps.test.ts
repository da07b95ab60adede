import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { check } from "@placemarkio/check-geojson";
import * as togeojson from "@tmcw/togeojson";
import { type PictureServer, startPictureServer, upload } from "../storage/picture-server.ts";
import { type Device, newDevice } from "../support/sync-client.ts";
import { location, photo, visit } from "../support/sync-entities.ts";
import { exportFiles, type Files, orderOf } from "./archives.ts";
import { complaints, parseXml } from "./formats-readers.ts";

let server: PictureServer;
let device: Device;
beforeAll(async () => {
  server = await startPictureServer("directory");
  device = await newDevice(server);
  const at = (minutes: number, more: object = {}) => ({
    timestamp: new Date(Date.UTC(2025, 3, 1, 0, minutes)).toISOString(),
    ...more,
  });
  const day = 24 * 60;
  await device.sync({
    locations: [1, 2, day, day + 1].map((minutes) =>
      location(`p${minutes}`, at(minutes, { latitude: 48 + minutes / 10_000 })),
    ),
    placeVisits: [visit("visit_1", { placeName: "Tom & Jerry's", notes: "<b>" })],
    photos: [photo("photo_1", { caption: "at the lake" }), photo("photo_nowhere", { location: null })],
  });
  const second = await device.another();
  await second.sync({
    locations: [1, 2].map((minutes) => location(`q${minutes}`, at(minutes, { longitude: minutes / 1000 }))),
  });
  await upload(device, "photo_1");
});
afterAll(() => server.stop());

const textOf = (files: Files, name: string) => files.get(name)?.toString() ?? "";
const filesOf = (format: "GPX" | "KML" | "GEOJSON") => exportFiles(server, orderOf(device, { format }));

interface Feature {
  readonly geometry: { readonly type: string };
}
const shapes = (features: readonly unknown[]) =>
  (features as Feature[]).map(({ geometry }) => geometry.type.replace(/^Multi/, "")).toSorted();

/** Two days of one phone, one of another; a stay, and the photo that has a place. */
const expected = ["LineString", "LineString", "LineString", "Point", "Point"];

describe("an account on a map", () => {
  test("in GPX", async () => {
    const files = await filesOf("GPX");
    const text = textOf(files, "trailglass.gpx");
    expect(await complaints("gpx", [text])).toEqual([]);
    expect(shapes(togeojson.gpx(parseXml(text)).features)).toEqual(expected);
  });

  test("in KML", async () => {
    const text = textOf(await filesOf("KML"), "trailglass.kml");
    expect(await complaints("kml", [text])).toEqual([]);
    expect(shapes(togeojson.kml(parseXml(text)).features)).toEqual(expected);
  });

  test("in GeoJSON; pictures lie beside it, where it says", async () => {
    const files = await filesOf("GEOJSON");
    const { features } = check(textOf(files, "trailglass.geojson")) as unknown as { features: Feature[] };
    expect(shapes(features)).toEqual(expected);
    const pictures = [...files.keys()].filter((name) => name.startsWith("photos/"));
    expect(pictures).toHaveLength(1);
    expect(pictures.some((name) => textOf(files, "trailglass.geojson").includes(name))).toBe(true);
    expect([...files.keys()].toSorted()).toEqual(
      [...pictures, "README.txt", "trailglass.geojson"].toSorted(),
    );
  });
});
