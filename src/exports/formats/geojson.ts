import { formatInstant } from "../../sync/instant.ts";
import type { Journal, PlacedPhoto, Visit } from "../journal.ts";
import { cutAtAntimeridian } from "./antimeridian.ts";
import { inChunks } from "./chunks.ts";
import { journalName, photoName, visitName } from "./labels.ts";
import { type Fix, hasAltitudes, type Track, tracksOf } from "./tracks.ts";

interface Place {
  readonly latitude: number;
  readonly longitude: number;
}

function pointFeature(id: string, { longitude, latitude }: Place, properties: object): string {
  const geometry = { type: "Point", coordinates: [longitude, latitude] };
  return JSON.stringify({ type: "Feature", id, geometry, properties });
}

function visitFeature(visit: Visit): string {
  const { id, category, placeName, address, arrivalTime, departureTime, isFavorite, notes } = visit;
  const said = { placeName, address, category, arrivalTime, departureTime, isFavorite, notes };
  return pointFeature(id, visit, { kind: "visit", name: visitName(visit), ...said });
}

function photoFeature(photo: PlacedPhoto): string {
  const { id, timestamp, caption, file } = photo;
  return pointFeature(id, photo, { kind: "photo", name: photoName(photo), timestamp, caption, file });
}

function* list<T>(items: Iterable<T>, write: (item: T) => Iterable<string>): Generator<string> {
  let separator = "";
  yield "[";
  for (const item of items) {
    yield separator;
    yield* write(item);
    separator = ",";
  }
  yield "]";
}

/** What there is to say of each fix, in a list; in a list for each part when there are several. */
function* nested(parts: readonly Fix[][], write: (fix: Fix) => string): Generator<string> {
  const listed = (part: readonly Fix[]) => list(part, (fix) => [write(fix)]);
  const [first, ...others] = parts;
  if (first && others.length === 0) yield* listed(first);
  else yield* list(parts, listed);
}

/** A line needs two positions. */
function* geometryOf(parts: readonly Fix[][], write: (fix: Fix) => string): Generator<string> {
  const [first] = parts;
  const lone = parts.length === 1 && first?.length === 1 ? first[0] : undefined;
  yield `{"type":"${lone ? "Point" : parts.length > 1 ? "MultiLineString" : "LineString"}","coordinates":`;
  if (lone) yield write(lone);
  else yield* nested(parts, write);
  yield "}";
}

/**
 * A third number stands in all positions of a line or in none, since readers stumble over a mixture. Heights that
 * are known for some points only are in `altitudes`, beside `times`.
 */
function* trackFeature({ fixes, ...track }: Track): Generator<string> {
  const parts = cutAtAntimeridian(fixes);
  const isHigh = hasAltitudes(fixes);
  yield `{"type":"Feature","geometry":`;
  yield* geometryOf(parts, ({ longitude, latitude, altitude }) =>
    JSON.stringify(isHigh ? [longitude, latitude, altitude] : [longitude, latitude]),
  );
  yield `,"properties":${JSON.stringify({ kind: "track", ...track }).slice(0, -1)},"times":`;
  yield* nested(parts, ({ time }) => `"${formatInstant(time)}"`);
  if (!isHigh && fixes.some(({ altitude }) => altitude !== null)) {
    yield `,"altitudes":`;
    yield* nested(parts, ({ altitude }) => JSON.stringify(altitude));
  }
  yield "}}";
}

async function* features(journal: Journal): AsyncGenerator<Iterable<string>> {
  for await (const visit of journal.visits()) yield [visitFeature(visit)];
  for await (const photo of journal.photos()) yield [photoFeature(photo)];
  for await (const track of tracksOf(journal.points())) yield trackFeature(track);
}

/** Name and description are members of our own, which RFC 7946 allows: JSON has no comments. */
async function* pieces(journal: Journal): AsyncGenerator<string> {
  const name = JSON.stringify(journalName(journal.displayName));
  const description = `As of ${journal.exportedAt}. Days are those of UTC; a track is a day of one device.`;
  yield `{"type":"FeatureCollection","name":${name},"description":"${description}","features":[`;
  let separator = "\n";
  for await (const feature of features(journal)) {
    yield separator;
    yield* feature;
    separator = ",\n";
  }
  yield "\n]}\n";
}

/** The journal as GeoJSON (RFC 7946): visits and photos as points, a line for each day (UTC) and device. */
export function writeGeoJson(journal: Journal): AsyncGenerator<string> {
  return inChunks(pieces(journal));
}
