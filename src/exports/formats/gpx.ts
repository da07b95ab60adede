import type { Journal, PlacedPhoto, TrackPoint, Visit } from "../journal.ts";
import { inChunks } from "./chunks.ts";
import { journalName, photoName, visitName } from "./labels.ts";
import { isSameTrack, trackName } from "./tracks.ts";
import { decimal, element, enclose, reference } from "./xml.ts";

/** Names what GPX 1.1 has no element for. Never to change: whoever reads our files looks for it. */
export const extensionNamespace = "urn:trailglass:gpx:1";

/**
 * Two points further apart than this are not joined: for half an hour the phone was off, lay still or saw no sky, and
 * a straight line would show a way that nobody took. What is shorter, such as a tunnel, is joined.
 */
const longestPause = 30 * 60_000;

const description = `Days are those of UTC. A track is a day of one device; it is cut where more than ${longestPause / 60_000} minutes are missing.`;

function opening({ displayName, exportedAt }: Journal): string {
  const metadata = enclose(
    "metadata",
    element("name", journalName(displayName)),
    element("desc", description),
    enclose("author", element("name", displayName)),
    element("time", exportedAt),
  );
  return `<?xml version="1.0" encoding="UTF-8"?>
<gpx xmlns="http://www.topografix.com/GPX/1/1" xmlns:tg="${extensionNamespace}" version="1.1" creator="Trailglass">
${metadata}
`;
}

/** Longitudes of GPX end before 180 degrees, which is where -180 is. */
function place({ latitude, longitude }: Pick<TrackPoint, "latitude" | "longitude">): string {
  return `lat="${decimal(latitude)}" lon="${decimal(longitude === 180 ? -180 : longitude)}"`;
}

const measure = (name: string, value: number | null) => element(name, value === null ? null : decimal(value));

/** Accuracy is in metres, and so no `hdop`, which has no unit. Speed is in metres a second, course in degrees. */
function trackPoint(point: TrackPoint): string {
  const extensions = enclose(
    "extensions",
    measure("tg:accuracy", point.accuracy),
    measure("tg:speed", point.speed),
    measure("tg:course", point.bearing),
    element("tg:provider", point.provider),
  );
  const contents = [measure("ele", point.altitude), element("time", point.timestamp), extensions];
  return `${enclose(`trkpt ${place(point)}`, ...contents)}\n`;
}

function visitWaypoint(visit: Visit): string {
  const name = visitName(visit);
  const words = [visit.address === name ? null : visit.address, visit.notes].filter((text) => text);
  const waypoint = enclose(
    `wpt ${place(visit)}`,
    element("time", visit.arrivalTime),
    element("name", name),
    element("desc", words.join("\n")),
    element("sym", visit.category),
    element("type", visit.category),
    enclose(
      "extensions",
      element("tg:id", visit.id),
      element("tg:departure", visit.departureTime),
      element("tg:favorite", visit.isFavorite ? "true" : null),
    ),
  );
  return `${waypoint}\n`;
}

function photoWaypoint(photo: PlacedPhoto): string {
  const waypoint = enclose(
    `wpt ${place(photo)}`,
    element("time", photo.timestamp),
    element("name", photoName(photo)),
    photo.file === null ? "" : `<link href="${reference(photo.file)}"/>`,
    element("sym", "PHOTO"),
    element("type", "PHOTO"),
    enclose("extensions", element("tg:id", photo.id)),
  );
  return `${waypoint}\n`;
}

const trackEnd = "</trkseg></trk>\n";
const trackStart = (point: TrackPoint) => `<trk>${element("name", trackName(point))}<trkseg>\n`;
const pause = (one: TrackPoint, next: TrackPoint) => Date.parse(next.timestamp) - Date.parse(one.timestamp);

async function* tracks(points: AsyncIterable<TrackPoint>): AsyncGenerator<string> {
  let last: TrackPoint | undefined;
  for await (const point of points) {
    if (!last) yield trackStart(point);
    else if (!isSameTrack(last, point)) yield trackEnd + trackStart(point);
    else if (pause(last, point) > longestPause) yield "</trkseg><trkseg>\n";
    yield trackPoint(point);
    last = point;
  }
  if (last) yield trackEnd;
}

/** Waypoints come before tracks: the schema has it so. */
async function* pieces(journal: Journal): AsyncGenerator<string> {
  yield opening(journal);
  for await (const visit of journal.visits()) yield visitWaypoint(visit);
  for await (const photo of journal.photos()) yield photoWaypoint(photo);
  yield* tracks(journal.points());
  yield "</gpx>\n";
}

/** The journal as GPX 1.1: visits and photos as waypoints, a track for each day (UTC) and device. */
export function writeGpx(journal: Journal): AsyncGenerator<string> {
  return inChunks(pieces(journal));
}
