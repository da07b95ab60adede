import { type SQL, sql } from "drizzle-orm";
import type { Kind } from "../sync/entity.ts";

/** A span of time, both ends included: ISO 8601, UTC; null for an end that is open. */
export interface ExportRange {
  readonly start: string | null;
  readonly end: string | null;
}

/** Whether anything is left out by it. */
export const isPartial = ({ start, end }: ExportRange): boolean => start !== null || end !== null;

type Timed = "locations" | "placeVisits" | "trips" | "photos";

/** From when to when an entity is, in columns. A stay that was not ended is as long as its arrival. */
const spans: Record<Timed, (alias: string) => readonly [from: string, to: string]> = {
  locations: (t) => [`${t}.timestamp`, `${t}.timestamp`],
  placeVisits: (t) => [`${t}.arrival_time`, `coalesce(${t}.departure_time, ${t}.arrival_time)`],
  trips: (t) => [`${t}.start_date`, `${t}.end_date`],
  photos: (t) => [`${t}.timestamp`, `${t}.timestamp`],
};

const tables: Record<Timed, string> = {
  locations: "location_samples",
  placeVisits: "place_visits",
  trips: "trips",
  photos: "photos",
};

function overlaps(kind: Timed, alias: string, { start, end }: ExportRange): SQL {
  const [from, to] = spans[kind](alias);
  const began = start === null ? sql`true` : sql`${sql.raw(to)} >= ${start}::timestamptz`;
  const ended = end === null ? sql`true` : sql`${sql.raw(from)} <= ${end}::timestamptz`;
  return sql`(${began} AND ${ended})`;
}

/** Whether an entity that another row names is there, and in the range. */
function isThere(kind: Timed, id: string, range: ExportRange): SQL {
  return sql`EXISTS (SELECT FROM ${sql.raw(tables[kind])} o WHERE o.user_id = t.user_id AND o.id = ${sql.raw(id)}
    AND o.deleted_at IS NULL AND ${overlaps(kind, "o", range)})`;
}

function dayIsIn({ start, end }: ExportRange): SQL {
  const began = start === null ? sql`true` : sql`t.date >= left(${start}, 10)::date`;
  const ended = end === null ? sql`true` : sql`t.date <= left(${end}, 10)::date`;
  return sql`(${began} AND ${ended})`;
}

/** Whether a row `t` of a kind is in a range. What has no time of its own goes with what it belongs to. */
export function isInRange(kind: Kind, range: ExportRange): SQL {
  if (!isPartial(range) || kind === "settings") return sql`true`;
  if (kind === "tripDays") return dayIsIn(range);
  if (kind === "photoAttachments")
    return sql`(${isThere("photos", "t.photo_id", range)} OR ${isThere("placeVisits", "t.place_visit_id", range)})`;
  return overlaps(kind, "t", range);
}

/** The same for the links of trips. */
export const memberIsInRange = (range: ExportRange): SQL =>
  isPartial(range) ? isThere("trips", "t.trip_id", range) : sql`true`;

/** The same for conflicts: where what they are about is. */
export function conflictIsInRange(range: ExportRange): SQL {
  if (!isPartial(range)) return sql`true`;
  const about = (Object.keys(tables) as Timed[]).map(
    (kind) => sql`(t.kind = ${kind} AND ${isThere(kind, "t.entity_id", range)})`,
  );
  return sql`(t.kind = 'settings' OR ${sql.join(about, sql` OR `)})`;
}
