import { describe, expect, test } from "bun:test";
import { check } from "@placemarkio/check-geojson";
import * as togeojson from "@tmcw/togeojson";
import fc from "fast-check";
import { chunkLength } from "../../src/exports/formats/chunks.ts";
import { writeGeoJson } from "../../src/exports/formats/geojson.ts";
import { extensionNamespace, writeGpx } from "../../src/exports/formats/gpx.ts";
import { writeKml } from "../../src/exports/formats/kml.ts";
import type { Journal, TrackPoint } from "../../src/exports/journal.ts";
import { anyContent, type Content, journalOf, photo, point, visit } from "./formats-journals.ts";
import { complaints, elements, parseXml, texts, written } from "./formats-readers.ts";

interface Feature {
  readonly type: "Feature";
  readonly id?: string;
  readonly geometry: { readonly type: string; readonly coordinates: unknown };
  readonly properties: Record<string, unknown>;
}

const gpxOf = (content: Partial<Content>) => written(writeGpx(journalOf(content)));
const kmlOf = (content: Partial<Content>) => written(writeKml(journalOf(content)));

async function gpxFeatures(content: Partial<Content>): Promise<Feature[]> {
  return togeojson.gpx(parseXml(await gpxOf(content))).features as unknown as Feature[];
}

async function kmlFeatures(content: Partial<Content>): Promise<Feature[]> {
  return togeojson.kml(parseXml(await kmlOf(content))).features as unknown as Feature[];
}

/** As a checker of GeoJSON reads it; it throws on what is none. */
async function geoJsonFeatures(content: Partial<Content>): Promise<Feature[]> {
  const collection = check(await written(writeGeoJson(journalOf(content))));
  return (collection as unknown as { features: Feature[] }).features;
}

const at = (time: string, given: Partial<TrackPoint> = {}) =>
  point({ timestamp: `2025-11-${time}Z`, ...given });
const tablet = { deviceId: "tablet", deviceName: "Ben's <tablet> & co" };

/** Two days, two devices. */
const household: Partial<Content> = {
  displayName: 'Ana & "Ben"',
  points: [
    at("17T10:00:00.000", { latitude: 46.05123456789012, longitude: 14.5, altitude: 298.5 }),
    at("17T10:30:00.000", { latitude: 46.06, longitude: 14.51, altitude: 300 }),
    at("17T11:00:00.001", { latitude: 46.07, longitude: 14.52, altitude: -1.5, speed: 1.4, bearing: 271.5 }),
    at("17T11:00:10.000", { latitude: 46.08, longitude: 14.53, altitude: 1e-7, accuracy: 12.5 }),
    at("17T09:00:00.000", { ...tablet, latitude: -33.9, longitude: 151.2 }),
    at("17T09:00:05.000", { ...tablet, latitude: -33.91, longitude: 151.21, altitude: 7 }),
    at("18T00:00:00.000", { latitude: 46.1, longitude: 14.6 }),
    at("18T00:20:00.000", { latitude: 46.2, longitude: 14.7 }),
  ],
  visits: [
    visit({ placeName: "Tom & Jerry's <b>", notes: 'first "line"\nsecond ]]> line', isFavorite: true }),
    visit({ id: "visit_2", placeName: null, departureTime: null }),
    visit({ id: "visit_3", placeName: " ", address: null, category: "SERVICE" }),
  ],
  photos: [
    photo({ caption: "👩‍👧 at the lake" }),
    photo({ id: "photo:2", caption: null, file: "photos/photo:2 ü&#.jpg" }),
    photo({ id: "photo_3", file: null }),
  ],
};

const trackNames = [
  "2025-11-17 · Ana's phone",
  "2025-11-17 · Ben's <tablet> & co",
  "2025-11-18 · Ana's phone",
];
const visitNames = ["Tom & Jerry's <b>", "Stritarjeva 2", "SERVICE"];
const photoNames = ["👩‍👧 at the lake", "Photo of 2025-11-17", "Cake"];
const names = (features: readonly Feature[]) => features.map(({ properties }) => properties.name);

describe("schemas", () => {
  test("allow a household's journal, and one with nothing in it", async () => {
    expect(await complaints("gpx", [await gpxOf(household), await gpxOf({ displayName: "" })])).toEqual([]);
    expect(await complaints("kml", [await kmlOf(household), await kmlOf({ displayName: "" })])).toEqual([]);
    expect(await geoJsonFeatures({ displayName: "" })).toEqual([]);
  });

  test("are looked at: a document that breaks one is found", async () => {
    const gpx = (await gpxOf(household)).replace("<trkpt lat=", '<trkpt lat="1e-7" was=');
    expect((await complaints("gpx", [gpx])).join()).toContain("'1e-7' is not a valid value");
    const kml = (await kmlOf(household)).replace("<styleUrl>#visit</styleUrl>", "<colour/>");
    expect((await complaints("kml", [kml])).join()).toContain("colour");
    expect(() => check('{"type":"Feature","geometry":null}')).toThrow();
  });

  test("allow any journal", async () => {
    // Documents are gathered and checked at once: starting the validator takes longer than checking.
    const documents = { gpx: [] as string[], kml: [] as string[] };
    const property = fc.asyncProperty(anyContent, async (content) => {
      documents.gpx.push(await gpxOf(content));
      documents.kml.push(await kmlOf(content));
    });
    await fc.assert(property, { numRuns: 60 });
    expect(await complaints("gpx", documents.gpx)).toEqual([]);
    expect(await complaints("kml", documents.kml)).toEqual([]);
  });
});

describe("GPX as another program reads it", () => {
  test("has a track for each day and device, and waypoints", async () => {
    const features = await gpxFeatures(household);
    expect(names(features)).toEqual([...trackNames, ...visitNames, ...photoNames]);
    const [first, second, third] = features;
    expect(first?.geometry).toEqual({
      type: "MultiLineString",
      coordinates: [
        [
          [14.5, 46.05123456789012, 298.5],
          [14.51, 46.06, 300],
        ],
        [
          [14.52, 46.07, -1.5],
          [14.53, 46.08, 1e-7],
        ],
      ],
    });
    expect(second?.geometry.coordinates).toEqual([
      [151.2, -33.9],
      [151.21, -33.91, 7],
    ]);
    expect(third?.geometry.type).toBe("LineString");
  });

  test("keeps times and what GPX has no elements for", async () => {
    const document = parseXml(await gpxOf(household));
    const trackPoints = elements(document, "trkpt");
    expect(trackPoints.flatMap((each) => texts(each, "time"))).toEqual(
      household.points?.map(({ timestamp }) => timestamp) ?? [],
    );
    const [extensions] = elements(trackPoints[2] as never, "extensions");
    const said = [...(extensions?.childNodes ?? [])].map(({ namespaceURI, localName, textContent }) => [
      namespaceURI,
      localName,
      textContent,
    ]);
    expect(said).toEqual([
      [extensionNamespace, "accuracy", "5"],
      [extensionNamespace, "speed", "1.4"],
      [extensionNamespace, "course", "271.5"],
      [extensionNamespace, "provider", "GPS"],
    ]);
    expect(elements(document, "hdop")).toEqual([]);
  });

  test("is cut where more than 30 minutes are missing, and not at 30 minutes", async () => {
    const segments = elements(parseXml(await gpxOf(household)), "trkseg");
    expect(segments.map((segment) => elements(segment, "trkpt").length)).toEqual([2, 2, 2, 2]);
  });

  test("says of visits and photos what they are", async () => {
    const [visited, unnamed, , first, odd, bare] = (await gpxFeatures(household)).slice(3);
    expect(visited?.properties).toMatchObject({
      desc: 'Stritarjeva 2\nfirst "line"\nsecond ]]> line',
      sym: "FOOD",
      type: "FOOD",
      time: "2025-11-17T10:00:00.000Z",
      tg_departure: "2025-11-17T11:00:00.000Z",
      tg_favorite: "true",
    });
    expect(unnamed?.properties).not.toHaveProperty("desc");
    expect(first?.properties).toMatchObject({ links: [{ href: "photos/photo_1.jpg" }], type: "PHOTO" });
    expect(odd?.properties).toMatchObject({ links: [{ href: "photos/photo%3A2%20%C3%BC%26%23.jpg" }] });
    expect(bare?.properties).not.toHaveProperty("links");
  });

  test("names the journal, its owner and its time", async () => {
    const document = parseXml(await gpxOf(household));
    const [metadata] = elements(document, "metadata");
    expect(texts(metadata as never, "name")).toEqual(['Journal of Ana & "Ben"', 'Ana & "Ben"']);
    expect(texts(metadata as never, "time")).toEqual(["2025-11-20T08:00:00.000Z"]);
    expect(texts(metadata as never, "desc").join()).toContain("UTC");
  });

  test("puts the antimeridian's eastern end where GPX allows it", async () => {
    expect(await gpxOf({ points: [point({ longitude: 180 })] })).toContain('lon="-180"');
  });
});

describe("KML as another program reads it", () => {
  test("has folders of visits, photos and tracks", async () => {
    const root = togeojson.kmlWithFolders(parseXml(await kmlOf(household)));
    const folders = root.children.map((child) => [
      (child as unknown as { meta: { name: string } }).meta.name,
      names((child as unknown as { children: Feature[] }).children),
    ]);
    expect(folders).toEqual([
      ["Visits", visitNames],
      ["Photos", photoNames],
      ["Tracks", trackNames],
    ]);
  });

  test("draws heights only where all are known", async () => {
    const document = parseXml(await kmlOf(household));
    const lines = elements(document, "LineString");
    expect(lines.map((line) => texts(line, "altitudeMode"))).toEqual([["absolute"], [], []]);
    const tracks = (await kmlFeatures(household)).slice(6);
    expect(tracks.map(({ geometry }) => geometry)).toEqual([
      {
        type: "LineString",
        coordinates: [
          [14.5, 46.05123456789012, 298.5],
          [14.51, 46.06, 300],
          [14.52, 46.07, -1.5],
          [14.53, 46.08, 1e-7],
        ],
      },
      {
        type: "LineString",
        coordinates: [
          [151.2, -33.9],
          [151.21, -33.91, 7],
        ],
      },
      {
        type: "LineString",
        coordinates: [
          [14.6, 46.1],
          [14.7, 46.2],
        ],
      },
    ]);
    expect(tracks[2]?.properties).toMatchObject({
      timespan: { begin: "2025-11-18T00:00:00.000Z", end: "2025-11-18T00:20:00.000Z" },
      device: "Ana's phone",
      deviceId: "phone",
    });
  });

  test("makes a point of a lone fix: a line needs two", async () => {
    const [lone] = await kmlFeatures({ points: [point()] });
    expect(lone?.geometry).toEqual({ type: "Point", coordinates: [14.5, 46.05] });
  });

  test("says of visits and photos what they are", async () => {
    const [visited, unnamed, , first, odd, bare] = await kmlFeatures(household);
    expect(visited?.properties).toMatchObject({
      address: "Stritarjeva 2",
      description: 'first "line"\nsecond ]]> line',
      timespan: { begin: "2025-11-17T10:00:00.000Z", end: "2025-11-17T11:00:00.000Z" },
      category: "FOOD",
      favorite: "true",
      id: "visit_1",
    });
    expect(unnamed?.properties).toMatchObject({ timespan: { begin: "2025-11-17T10:00:00.000Z", end: "" } });
    expect(first?.properties).toMatchObject({
      description: '<img src="photos/photo_1.jpg" width="480">',
      timestamp: "2025-11-17T10:30:00.000Z",
    });
    expect(String(odd?.properties.description)).toContain('"photos/photo%3A2%20%C3%BC%26%23.jpg"');
    expect(bare?.properties).not.toHaveProperty("description");
  });
});

describe("GeoJSON as another program reads it", () => {
  test("has points and lines, longitude first", async () => {
    const features = await geoJsonFeatures(household);
    expect(names(features)).toEqual([...visitNames, ...photoNames, ...trackNames]);
    expect(features[0]).toEqual({
      type: "Feature",
      id: "visit_1",
      geometry: { type: "Point", coordinates: [14.5, 46.05] },
      properties: {
        kind: "visit",
        name: "Tom & Jerry's <b>",
        placeName: "Tom & Jerry's <b>",
        address: "Stritarjeva 2",
        category: "FOOD",
        arrivalTime: "2025-11-17T10:00:00.000Z",
        departureTime: "2025-11-17T11:00:00.000Z",
        isFavorite: true,
        notes: 'first "line"\nsecond ]]> line',
      },
    });
    expect(features[4]?.properties).toEqual({
      kind: "photo",
      name: "Photo of 2025-11-17",
      timestamp: "2025-11-17T10:30:00.000Z",
      caption: null,
      file: "photos/photo:2 ü&#.jpg",
    });
    expect(features[6]).toEqual({
      type: "Feature",
      geometry: {
        type: "LineString",
        coordinates: [
          [14.5, 46.05123456789012, 298.5],
          [14.51, 46.06, 300],
          [14.52, 46.07, -1.5],
          [14.53, 46.08, 1e-7],
        ],
      },
      properties: {
        kind: "track",
        name: "2025-11-17 · Ana's phone",
        day: "2025-11-17",
        deviceId: "phone",
        deviceName: "Ana's phone",
        times: household.points?.slice(0, 4).map(({ timestamp }) => timestamp),
      },
    });
  });

  test("keeps heights that only some points have out of the positions", async () => {
    const [, partly, without] = (await geoJsonFeatures(household)).slice(6);
    expect(partly?.geometry.coordinates).toEqual([
      [151.2, -33.9],
      [151.21, -33.91],
    ]);
    expect(partly?.properties.altitudes).toEqual([null, 7]);
    expect(without?.properties).not.toHaveProperty("altitudes");
  });

  test("makes a point of a lone fix, and cuts a line at the antimeridian", async () => {
    const [lone, cut] = await geoJsonFeatures({
      points: [
        at("16T10:00:00.000"),
        at("17T10:00:00.000", { longitude: 179.5, latitude: -17 }),
        at("17T10:00:10.000", { longitude: -179.5, latitude: -18 }),
      ],
    });
    expect(lone?.geometry).toEqual({ type: "Point", coordinates: [14.5, 46.05] });
    expect(lone?.properties.times).toEqual(["2025-11-16T10:00:00.000Z"]);
    expect(cut?.geometry).toEqual({
      type: "MultiLineString",
      coordinates: [
        [
          [179.5, -17],
          [180, -17.5],
        ],
        [
          [-180, -17.5],
          [-179.5, -18],
        ],
      ],
    });
    expect(cut?.properties.times).toEqual([
      ["2025-11-17T10:00:00.000Z", "2025-11-17T10:00:05.000Z"],
      ["2025-11-17T10:00:05.000Z", "2025-11-17T10:00:10.000Z"],
    ]);
  });

  test("has no coordinate system of its own", async () => {
    expect(await written(writeGeoJson(journalOf(household)))).not.toContain('"crs"');
  });
});

/** What XML 1.0 can say of a text (section 2.2, Char), written down a second time. */
function sayable(text: string): string {
  const isSayable = (code: number) =>
    code === 9 ||
    code === 10 ||
    code === 13 ||
    (code >= 0x20 && code < 0xd800) ||
    (code > 0xdfff && code < 0xfffe) ||
    code > 0xffff;
  return Array.from(text, (character) =>
    isSayable(character.codePointAt(0) ?? 0) ? character : "\ufffd",
  ).join("");
}
const isSaid = (text: string | null): text is string => text !== null && text.trim() !== "";
const nearly = (numbers: readonly unknown[]) =>
  numbers.map((each) => Math.round(Number(each) * 1e12) / 1e12 + 0);

describe("any journal is read as it was written", () => {
  const spans = (points: readonly TrackPoint[]) =>
    new Set(points.map(({ timestamp, deviceId }) => timestamp.slice(0, 10) + deviceId)).size;

  test("in GPX", async () => {
    const property = fc.asyncProperty(anyContent, async (content) => {
      const document = parseXml(await gpxOf(content));
      const { points, visits, photos } = content;
      expect(elements(document, "trk").length).toBe(spans(points));
      const places = [...elements(document, "wpt"), ...elements(document, "trkpt")];
      const expected = [...visits, ...photos, ...points];
      expect(nearly(places.map((each) => each.getAttribute("lat")))).toEqual(
        nearly(expected.map(({ latitude }) => latitude)),
      );
      expect(nearly(places.map((each) => each.getAttribute("lon")))).toEqual(
        nearly(expected.map(({ longitude }) => (longitude === 180 ? -180 : longitude))),
      );
      const captions = photos.map(({ caption }) => caption).filter(isSaid);
      const found = elements(document, "wpt").flatMap((each) => texts(each, "name"));
      expect(found).toEqual(expect.arrayContaining(captions.map(sayable)));
      const heights = points.map(({ altitude }) => altitude).filter((altitude) => altitude !== null);
      expect(nearly(texts(document, "ele"))).toEqual(nearly(heights));
    });
    await fc.assert(property);
  });

  test("in KML", async () => {
    const property = fc.asyncProperty(anyContent, async (content) => {
      const document = parseXml(await kmlOf(content));
      const { points, visits, photos } = content;
      expect(elements(document, "Placemark").length).toBe(visits.length + photos.length + spans(points));
      const tuples = texts(document, "coordinates").flatMap((text) => text?.trim().split(/\s+/) ?? []);
      const read = tuples.map((tuple) => nearly(tuple.split(",")));
      expect(read.map(([longitude, latitude]) => [longitude, latitude])).toEqual(
        [...visits, ...photos, ...points].map(({ longitude, latitude }) => nearly([longitude, latitude])),
      );
      const notes = visits.map((each) => each.notes).filter((text) => text);
      const [folder] = elements(document, "Folder");
      expect(texts(folder as never, "description")).toEqual(notes.map((text) => sayable(text ?? "")));
    });
    await fc.assert(property);
  });

  test("in GeoJSON", async () => {
    const property = fc.asyncProperty(anyContent, async (content) => {
      const features = await geoJsonFeatures(content);
      const { points, visits, photos } = content;
      const isPlace = ({ properties }: Feature) => properties.kind !== "track";
      expect(features.filter((feature) => !isPlace(feature)).length).toBe(spans(points));
      const said = features
        .filter(isPlace)
        .map(({ id, geometry, properties }) => [
          id,
          nearly(geometry.coordinates as number[]),
          properties.kind === "visit" ? properties.notes : properties.caption,
        ]);
      expect(said).toEqual([
        ...visits.map(({ id, longitude, latitude, notes }) => [id, nearly([longitude, latitude]), notes]),
        ...photos.map(({ id, longitude, latitude, caption }) => [id, nearly([longitude, latitude]), caption]),
      ]);
      // Nothing on a map goes around the globe the long way.
      const lines = features.flatMap(({ geometry: { type, coordinates } }) =>
        type === "MultiLineString"
          ? (coordinates as number[][][])
          : type === "LineString"
            ? [coordinates as number[][]]
            : [],
      );
      const steps = lines.flatMap((line) =>
        line.slice(1).map(([longitude = 0], i) => Math.abs(longitude - (line[i]?.[0] ?? 0))),
      );
      expect(Math.max(0, ...steps)).toBeLessThanOrEqual(180);
      expect(lines.every(({ length }) => length >= 2)).toBe(true);
    });
    await fc.assert(property);
  });
});

describe("200,000 points", () => {
  const count = 200_000;

  /** All on one day: more than one a second. */
  function* manyPoints(taken: { count: number; ended?: boolean }): Generator<TrackPoint> {
    const start = Date.parse("2025-11-17T00:00:00Z");
    try {
      for (; taken.count < count; taken.count++) {
        const timestamp = new Date(start + taken.count * 400).toISOString();
        yield point({ timestamp, latitude: taken.count / 1e4, longitude: taken.count / 2e4, altitude: 300 });
      }
    } finally {
      taken.ended = true;
    }
  }

  const writers: [string, (journal: Journal) => AsyncGenerator<string>, RegExp][] = [
    ["GPX", writeGpx, /<trkpt /g],
    ["KML", writeKml, /^[\d.]+,[\d.]+,300$/gm],
    ["GeoJSON", writeGeoJson, /\[[\d.]+,[\d.]+,300\]/g],
  ];

  test.each(writers)("pass through %s in chunks of a bounded size", async (_name, write, pattern) => {
    const chunks = await Array.fromAsync(write(journalOf({ points: manyPoints({ count: 0 }) })));
    const text = chunks.join("");
    expect(text.match(pattern)?.length).toBe(count);
    const longest = chunks.reduce((most, { length }) => Math.max(most, length), 0);
    expect(longest).toBeLessThan(chunkLength + 1000);
    expect(chunks.length).toBeLessThanOrEqual(text.length / chunkLength + 1);
  });

  test.each(writers)(
    "are read by %s no further than a track ahead, and let go of at once",
    async (_name, write) => {
      const taken: { count: number; ended?: boolean } = { count: 0 };
      for await (const _chunk of write(journalOf({ points: manyPoints(taken) }))) break;
      expect(taken.count).toBeLessThanOrEqual(86_400);
      expect(taken.ended).toBe(true);
    },
  );
});
