import { formatInstant } from "../../sync/instant.ts";
import type { Journal, PlacedPhoto, Visit } from "../journal.ts";
import { inChunks } from "./chunks.ts";
import { journalName, photoName, visitName } from "./labels.ts";
import { type Fix, hasAltitudes, type Track, tracksOf } from "./tracks.ts";
import { decimal, element, enclose, escapeXml, reference } from "./xml.ts";

/** Colours are alpha, blue, green, red. */
const styles = `<Style id="visit"><IconStyle><color>ff3c8cf0</color></IconStyle></Style>
<Style id="photo"><IconStyle><color>ffb4783c</color></IconStyle></Style>
<Style id="track"><LineStyle><color>ffd25a28</color><width>3</width></LineStyle></Style>
`;

function opening({ displayName, exportedAt }: Journal): string {
  const description = `As of ${exportedAt}. Days are those of UTC; a track is a day of one device.`;
  return `<?xml version="1.0" encoding="UTF-8"?>
<kml xmlns="http://www.opengis.net/kml/2.2">
<Document>${element("name", journalName(displayName))}${element("description", description)}
${styles}`;
}

function coordinates({ latitude, longitude, altitude }: Omit<Fix, "time">): string {
  const flat = `${decimal(longitude)},${decimal(latitude)}`;
  return altitude === null ? flat : `${flat},${decimal(altitude)}`;
}

const pointAt = (place: Omit<Fix, "time" | "altitude">) =>
  enclose("Point", enclose("coordinates", coordinates({ ...place, altitude: null })));

const timeSpan = (begin: string, end: string | null) =>
  enclose("TimeSpan", element("begin", begin), element("end", end));

function extendedData(values: Readonly<Record<string, string>>): string {
  const data = Object.entries(values).map(([name, value]) =>
    enclose(`Data name="${name}"`, enclose("value", escapeXml(value))),
  );
  return enclose("ExtendedData", ...data);
}

function visitPlacemark(visit: Visit): string {
  const { id, category, isFavorite } = visit;
  const placemark = enclose(
    "Placemark",
    element("name", visitName(visit)),
    element("address", visit.address),
    element("description", visit.notes),
    timeSpan(visit.arrivalTime, visit.departureTime),
    element("styleUrl", "#visit"),
    extendedData({ id, category, favorite: String(isFavorite) }),
    pointAt(visit),
  );
  return `${placemark}\n`;
}

function photoPlacemark(photo: PlacedPhoto): string {
  const { id, timestamp, file } = photo;
  // Readers show a description as HTML, and so the picture that lies in the same archive.
  const picture = file === null ? null : `<img src="${reference(file)}" width="480">`;
  const placemark = enclose(
    "Placemark",
    element("name", photoName(photo)),
    element("description", picture),
    enclose("TimeStamp", element("when", timestamp)),
    element("styleUrl", "#photo"),
    extendedData({ id }),
    pointAt(photo),
  );
  return `${placemark}\n`;
}

/** Lines lie on the ground unless the height of each of their points is known. */
function* lineOf(fixes: Track["fixes"]): Generator<string> {
  const mode = hasAltitudes(fixes) ? "<altitudeMode>absolute</altitudeMode>" : "";
  // A line needs two points.
  const [start, end] =
    fixes.length === 1
      ? ["<Point>", "</Point>"]
      : ["<LineString><tessellate>1</tessellate>", "</LineString>"];
  yield `${start}${mode}<coordinates>\n`;
  for (const fix of fixes) yield `${coordinates(fix)}\n`;
  yield `</coordinates>${end}`;
}

/** `gx:Track` would keep the time of each point, but is an extension that not every reader knows. */
function* trackPlacemark({ name, deviceId, deviceName, fixes }: Track): Generator<string> {
  const span = timeSpan(formatInstant(fixes[0].time), formatInstant((fixes.at(-1) ?? fixes[0]).time));
  const data = extendedData({ device: deviceName, deviceId });
  yield `<Placemark>${element("name", name)}${span}<styleUrl>#track</styleUrl>${data}`;
  yield* lineOf(fixes);
  yield "</Placemark>\n";
}

const folder = (name: string) => `<Folder>${element("name", name)}\n`;
const folderEnd = "</Folder>\n";

async function* pieces(journal: Journal): AsyncGenerator<string> {
  yield opening(journal) + folder("Visits");
  for await (const visit of journal.visits()) yield visitPlacemark(visit);
  yield folderEnd + folder("Photos");
  for await (const photo of journal.photos()) yield photoPlacemark(photo);
  yield folderEnd + folder("Tracks");
  for await (const track of tracksOf(journal.points())) yield* trackPlacemark(track);
  yield `${folderEnd}</Document>\n</kml>\n`;
}

/** The journal as OGC KML 2.2: visits, photos, and a line for each day (UTC) and device, a folder each. */
export function writeKml(journal: Journal): AsyncGenerator<string> {
  return inChunks(pieces(journal));
}
