import fc from "fast-check";
import type { Journal, PlacedPhoto, TrackPoint, Visit } from "../../src/exports/journal.ts";

/** A journal's content as lists, to be written and to be compared with what a reader sees. */
export interface Content {
  readonly displayName: string;
  readonly points: readonly TrackPoint[];
  readonly visits: readonly Visit[];
  readonly photos: readonly PlacedPhoto[];
}

/** Lists may be made up as they are read. */
type Written<T> = T extends readonly (infer Item)[] ? Iterable<Item> : T;

async function* each<T>(items: Iterable<T>): AsyncGenerator<T> {
  yield* items;
}

export function journalOf(content: Partial<{ [Key in keyof Content]: Written<Content[Key]> }>): Journal {
  const { displayName = "Ana", points = [], visits = [], photos = [] } = content;
  return {
    displayName,
    exportedAt: "2025-11-20T08:00:00.000Z",
    points: () => each(points),
    visits: () => each(visits),
    photos: () => each(photos),
  };
}

export const point = (given: Partial<TrackPoint> = {}): TrackPoint => ({
  deviceId: "phone",
  deviceName: "Ana's phone",
  timestamp: "2025-11-17T10:00:00.000Z",
  latitude: 46.05,
  longitude: 14.5,
  altitude: null,
  accuracy: 5,
  speed: null,
  bearing: null,
  provider: "GPS",
  ...given,
});

export const visit = (given: Partial<Visit> = {}): Visit => ({
  id: "visit_1",
  latitude: 46.05,
  longitude: 14.5,
  placeName: "Café",
  address: "Stritarjeva 2",
  category: "FOOD",
  arrivalTime: "2025-11-17T10:00:00.000Z",
  departureTime: "2025-11-17T11:00:00.000Z",
  isFavorite: false,
  notes: null,
  ...given,
});

export const photo = (given: Partial<PlacedPhoto> = {}): PlacedPhoto => ({
  id: "photo_1",
  timestamp: "2025-11-17T10:30:00.000Z",
  latitude: 46.05,
  longitude: 14.5,
  caption: "Cake",
  file: "photos/photo_1.jpg",
  ...given,
});

/** What has broken writers of XML and JSON before. */
const awkward = fc.constantFrom(
  ..."]]>|<b>|</name>|&|&amp;|&#0;|\"|'|\r\n|\r|\n|\t|\u2028|\u0085|\u0000|\u0008|\u001f|\u007f|\ufffe|\uffff".split(
    "|",
  ),
  ...[
    "\ud800",
    "\udc00",
    "👩‍👧",
    "🇸🇮",
    "e\u0301",
    "%",
    "#",
    "?",
    "<![CDATA[",
    "-->",
    "\u202e",
    " ",
    "NULL",
    "\u{1fffe}",
  ],
);
const text = fc
  .array(fc.oneof(awkward, fc.string({ unit: "binary", maxLength: 4 })), { maxLength: 5 })
  .map((parts) => parts.join(""));
const maybeText = fc.option(text, { nil: null });

function degrees(limit: number) {
  const range = fc.double({ min: -limit, max: limit, noNaN: true });
  const edges = [limit, -limit, 0, -0, 1e-7, -1e-7, 1e-12, 5e-324, 1.234567890123456e-7, limit - 1e-13];
  return fc.oneof(range, fc.constantFrom(...edges));
}
const place = { latitude: degrees(90), longitude: degrees(180) };

const day = Date.parse("2025-11-17T00:00:00Z");
const instants = (count: number) =>
  fc
    .uniqueArray(fc.integer({ min: 0, max: 3 * 86_400_000 - 1 }), { maxLength: count })
    .map((offsets) => offsets.sort((a, b) => a - b).map((offset) => new Date(day + offset).toISOString()));
const instant = fc.integer({ min: 0, max: 4e12 }).map((millis) => new Date(millis).toISOString());

const measure = (max: number) =>
  fc.option(fc.oneof(fc.double({ min: 0, max, noNaN: true }), fc.constantFrom(1e-9, 5e-324)), { nil: null });
const altitude = fc.option(fc.double({ min: -100_000, max: 1_000_000, noNaN: true }), { nil: null });

const fix = fc.record({
  ...place,
  altitude,
  accuracy: fc.double({ min: 0, noNaN: true, noDefaultInfinity: true }),
  speed: measure(1e300),
  bearing: measure(360),
  provider: text,
});

/** One device's points, in order. */
const deviceTrack = fc.record({
  name: text,
  times: instants(12),
  fixes: fc.array(fix, { minLength: 12, maxLength: 12 }),
});

function inOrder(tracks: readonly { name: string; times: string[]; fixes: object[] }[]): TrackPoint[] {
  const points = tracks.flatMap(({ name, times, fixes }, device) =>
    times.map((timestamp, i) =>
      point({ deviceId: `device-${device}`, deviceName: name, timestamp, ...fixes[i] }),
    ),
  );
  const key = ({ timestamp, deviceId }: TrackPoint) => `${timestamp.slice(0, 10)} ${deviceId} ${timestamp}`;
  return points.sort((a, b) => (key(a) < key(b) ? -1 : 1));
}

const someVisit = fc.record({
  ...place,
  id: fc.stringMatching(/^[A-Za-z0-9._:-]{1,20}$/),
  placeName: maybeText,
  address: maybeText,
  category: text,
  arrivalTime: instant,
  departureTime: fc.option(fc.constant("2099-01-01T00:00:00.000Z"), { nil: null }),
  isFavorite: fc.boolean(),
  notes: maybeText,
});

const somePhoto = fc.record({
  ...place,
  id: fc.stringMatching(/^[A-Za-z0-9._:-]{1,20}$/),
  timestamp: instant,
  caption: maybeText,
  file: fc.option(
    text.map((name) => `photos/${name}.jpg`),
    { nil: null },
  ),
});

/** Any journal at all. */
export const anyContent: fc.Arbitrary<Content> = fc.record({
  displayName: text,
  points: fc.array(deviceTrack, { maxLength: 3 }).map(inOrder),
  visits: fc.array(someVisit, { maxLength: 4 }),
  photos: fc.array(somePhoto, { maxLength: 4 }),
});
