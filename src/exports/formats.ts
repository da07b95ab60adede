import { csvFiles } from "./csv/files.ts";
import type { ExportFormat } from "./format-names.ts";
import { writeGeoJson } from "./formats/geojson.ts";
import { writeGpx } from "./formats/gpx.ts";
import { writeKml } from "./formats/kml.ts";
import type { Journal } from "./journal.ts";
import { jsonFiles } from "./json/files.ts";
import { mapJournal } from "./map-journal.ts";
import type { Snapshot } from "./snapshot.ts";

/** A file of an archive that is made of an account's rows. */
export interface ExportFile {
  readonly name: string;
  readonly content: (snapshot: Snapshot) => AsyncIterable<Uint8Array | string>;
}

/** A map, in one file. */
const map = (name: string, write: (journal: Journal) => AsyncGenerator<string>): ExportFile[] => [
  { name, content: (snapshot) => write(mapJournal(snapshot)) },
];

/** What each format has of an account, beside pictures and what says what the archive is. */
export const filesOf: Readonly<Record<ExportFormat, readonly ExportFile[]>> = {
  JSON: jsonFiles,
  CSV: csvFiles,
  GPX: map("trailglass.gpx", writeGpx),
  KML: map("trailglass.kml", writeKml),
  GEOJSON: map("trailglass.geojson", writeGeoJson),
};
