import type { ExportFormat } from "./format-names.ts";
import type { MissingPicture } from "./pictures.ts";
import { isPartial } from "./range.ts";
import type { ExportedAccount, SnapshotOptions } from "./snapshot.ts";
import type { Dataset } from "./sources.ts";

/** What was written into an archive. */
export interface ExportSummary {
  readonly format: ExportFormat;
  readonly account: ExportedAccount;
  readonly options: SnapshotOptions;
  /** Rows that were read. */
  readonly counts: ReadonlyMap<Dataset, number>;
  readonly pictures: number;
  readonly missing: readonly MissingPicture[];
}

const about: Record<ExportFormat, string> = {
  JSON: `Everything that the server had of this account, complete and lossless: a file a kind,
each an array with one entry a line. export.json says what is here, schema.json
what each file holds (JSON Schema 2020-12). To bring it into another Trailglass
server, run there: trailglass import --user EMAIL FILE`,
  CSV: `Tables for spreadsheets: a file a kind, in UTF-8, with commas. Text that a
spreadsheet would take for a formula begins with an apostrophe. What only
machines need is not in here: the format JSON has everything.`,
  GPX: `Tracks (one a day and device), stays and photos as waypoints, in GPX 1.1. What
maps cannot show is not in here: the format JSON has everything.`,
  KML: `Tracks (one a day and device), stays and photos, in KML 2.2. What maps cannot
show is not in here: the format JSON has everything.`,
  GEOJSON: `Tracks (one a day and device), stays and photos, in GeoJSON (RFC 7946). What
maps cannot show is not in here: the format JSON has everything.`,
};

const words: Partial<Record<Dataset, string>> = {
  locations: "Points of tracks",
  placeVisits: "Stays at places",
  trips: "Trips",
  tripDays: "Days of trips with notes",
  photos: "Photos",
  encrypted: "Encrypted entries, which only your own apps can read",
};

function rangeText({ options, format }: ExportSummary): string[] {
  const { start, end } = options.range;
  if (!isPartial(options.range)) return [];
  const left = format === "JSON" ? " What was deleted is left out." : "";
  return [
    `Only what falls between ${start ?? "the beginning"} and ${end ?? "the end"} (both included).${left}`,
  ];
}

function pictureText({ options, pictures, missing }: ExportSummary): string[] {
  if (!options.includePhotos) return ["Pictures were not asked for."];
  const all = `Pictures, in the folder photos, as they were uploaded: ${pictures}`;
  if (missing.length === 0) return [all];
  return [
    all,
    "The server could not read these. A damaged one is in the archive as far as it could be:",
    ...missing.map(({ path, problem }) => `  ${path} (${problem})`),
  ];
}

/** `README.txt`: what an archive is, for whoever opens it. */
export function readme(summary: ExportSummary): string {
  const { account, format, counts } = summary;
  const lines = [
    `Trailglass: the journal of ${account.displayName}, as of ${account.exportedAt}`,
    "",
    about[format],
    "",
    ...rangeText(summary),
    ...Object.entries(words).flatMap(([dataset, word]) => {
      const count = counts.get(dataset as Dataset) ?? 0;
      return count > 0 ? [`${word}: ${count}`] : [];
    }),
    ...pictureText(summary),
    "",
    "Times are in UTC, places in degrees of WGS 84, lengths in metres.",
  ];
  // Windows' own editor, before 2018, knew no other line ends.
  return `${lines.join("\n")}\n`.replaceAll("\n", "\r\n");
}
