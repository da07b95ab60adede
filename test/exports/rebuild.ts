import { type SQL, sql } from "drizzle-orm";
import type { Database } from "../../src/database/client.ts";
import type { Json } from "../support/sync-client.ts";
import { type Files, readJson } from "./archives.ts";

/** Rows of a table as objects of its columns, in an order of their own. */
export type Rows = Readonly<Record<string, unknown>>[];

/** Tables whose every column an export has to give back. */
export const wholeTables = [
  "location_samples",
  "place_visits",
  "trips",
  "trip_days",
  "photos",
  "photo_attachments",
  "settings",
  "encrypted_sync_data",
  "trip_members",
  "sync_conflicts",
] as const;

const snake = (key: string) => key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** An instant in one spelling, whoever wrote it; anything else as it is. */
function inOneSpelling(value: unknown): unknown {
  const found =
    typeof value === "string" && /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(?:Z|\+00:00)$/.exec(value);
  if (!found) return value;
  const [, seconds, fraction = ""] = found;
  return `${seconds}.${fraction.padEnd(6, "0")}`;
}

/** Whatever a table does not have a column for is undefined, and so not compared; nulls are. */
function toRow(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [snake(key), inOneSpelling(value)] as const),
  );
}

const sorted = (rows: Rows): Rows =>
  rows.toSorted((one, other) => (JSON.stringify(one) < JSON.stringify(other) ? -1 : 1));

const inOrder = (row: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(row).toSorted(([one], [other]) => (one < other ? -1 : 1)));

const placed = ({ location, ...rest }: Json) => ({
  ...rest,
  latitude: location?.latitude ?? null,
  longitude: location?.longitude ?? null,
});

/** What an entry says beside what follows from other files. */
const live: Record<string, { file: string; table: string; read: (entry: Json) => Json }> = {
  locations: { file: "locations.json", table: "location_samples", read: (entry) => entry },
  placeVisits: {
    file: "place-visits.json",
    table: "place_visits",
    read: ({ photos: _photos, tripId: _tripId, ...rest }) => placed(rest),
  },
  trips: {
    file: "trips.json",
    table: "trips",
    read: ({ placeVisits: _visits, photos: _photos, ...rest }) => rest,
  },
  tripDays: { file: "trip-days.json", table: "trip_days", read: (entry) => entry },
  photos: {
    file: "photos.json",
    table: "photos",
    read: ({ placeVisitId: _visitId, tripId: _tripId, file: _file, ...rest }) => placed(rest),
  },
  photoAttachments: { file: "photo-attachments.json", table: "photo_attachments", read: (entry) => entry },
  settings: { file: "settings.json", table: "settings", read: (entry) => entry },
};

/** The rows of a table that an export's files stand for, without whose they are. */
export function rebuild(files: Files, table: (typeof wholeTables)[number]): Rows {
  const rows = rowsOf(files, table).map(toRow);
  return sorted(rows.map(inOrder));
}

function rowsOf(files: Files, table: string): Json[] {
  if (table === "trip_members") return readJson(files, "trip-members.json");
  if (table === "sync_conflicts")
    return readJson(files, "conflicts.json").map(({ type, local, remote, ...rest }: Json) => ({
      ...rest,
      conflictType: type,
      localSide: local,
      remoteSide: remote,
    }));
  const deleted: Json[] = readJson(files, "deleted.json");
  if (table === "encrypted_sync_data") {
    const gone = deleted.filter(({ encrypted }) => encrypted);
    return [
      ...readJson(files, "encrypted.json").map((entry: Json) => ({ ...entry, deletedAt: null })),
      ...gone.map(({ encrypted: _encrypted, photoId: _photo, placeVisitId: _visit, ...rest }) => ({
        ...rest,
        encryptedData: null,
        encryptionVersion: null,
      })),
    ];
  }
  const [kind, { file, read }] = Object.entries(live).find(([, one]) => one.table === table) as [
    string,
    (typeof live)[string],
  ];
  const keepsLinks = kind === "photoAttachments";
  return [
    ...readJson(files, file).map((entry: Json) => ({ ...read(entry), deletedAt: null })),
    ...deleted
      .filter((entry) => entry.kind === kind && !entry.encrypted)
      .map(({ kind: _kind, encrypted: _encrypted, photoId, placeVisitId, ...rest }) =>
        keepsLinks ? { ...rest, photoId, placeVisitId } : rest,
      ),
  ];
}

/**
 * A table's rows as they are. Columns that are null in a row may be left out by what is compared to it: tombstones have
 * no content.
 */
export async function stored(db: Database, table: string, userId: string, also: SQL = sql``): Promise<Rows> {
  const found = await db.execute<{ row: Record<string, unknown> }>(
    sql`SELECT to_jsonb(t) - 'user_id' AS row FROM ${sql.identifier(table)} t WHERE user_id = ${userId} ${also}`,
  );
  return sorted(
    found.map(({ row }) =>
      inOrder(Object.fromEntries(Object.entries(row).map(([key, value]) => [key, inOneSpelling(value)]))),
    ),
  );
}

/** Rows without what is null: a column that is empty and one that is not said are the same. */
export const said = (rows: Rows): Rows =>
  sorted(rows.map((row) => Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null))));
