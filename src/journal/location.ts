import { sql } from "drizzle-orm";
import { doublePrecision, pgTable, text as textColumn } from "drizzle-orm/pg-core";
import { z } from "zod";
import type { Transaction } from "../database/client.ts";
import { arrayLiteral } from "../sync/array-literal.ts";
import type { Change } from "../sync/change.ts";
import { decideFact } from "../sync/decide.ts";
import type { Entity } from "../sync/entity.ts";
import { instant, latitude, longitude, maybe, number, text } from "../sync/schemas.ts";
import { instantColumn, syncColumns } from "../sync/sync-columns.ts";

export const locationSamples = pgTable("location_samples", {
  ...syncColumns(),
  timestamp: instantColumn("timestamp"),
  latitude: doublePrecision("latitude"),
  longitude: doublePrecision("longitude"),
  altitude: doublePrecision("altitude"),
  accuracy: doublePrecision("accuracy"),
  speed: doublePrecision("speed"),
  bearing: doublePrecision("bearing"),
  provider: textColumn("provider"),
  batteryLevel: doublePrecision("battery_level"),
  clientTimestamp: instantColumn("client_timestamp"),
});

/** iOS says -1 for a speed, course or battery level that it does not know (CLLocation, UIDevice). */
const unknownAsMinusOne = <T>(schema: z.ZodType<T>) =>
  z.preprocess((value) => (value === -1 ? null : value), maybe(schema));

/** The point that a location is a repeat of, whatever its id: same device, instant and coordinates. */
const fixOf = ({ content }: Change) => `${content?.timestamp} ${content?.latitude} ${content?.longitude}`;

async function findStoredFixes(tx: Transaction, userId: string, deviceId: string, points: readonly Change[]) {
  const column = (key: string) =>
    arrayLiteral(points.map(({ content }) => content?.[key] as number | string));
  const rows = await tx.execute<{ given: string }>(sql`
    SELECT x.id AS given
    FROM unnest(${arrayLiteral(points.map(({ id }) => id))}::text[], ${column("timestamp")}::timestamptz[],
                ${column("latitude")}::double precision[], ${column("longitude")}::double precision[])
         AS x (id, timestamp, latitude, longitude)
    JOIN location_samples t ON t.user_id = ${userId} AND t.device_id = ${deviceId} AND t.timestamp = x.timestamp
      AND t.latitude = x.latitude AND t.longitude = x.longitude AND t.id <> x.id`);
  return rows.map((row) => row.given);
}

/** Ids of points that the account has, or the same request brings, under another id. */
async function findRepeats(tx: Transaction, userId: string, deviceId: string, changes: readonly Change[]) {
  const points = changes.filter((change) => !change.deleted && !change.encrypted);
  const first = new Map<string, string>();
  for (const point of points) if (!first.has(fixOf(point))) first.set(fixOf(point), point.id);
  const again = points.filter((point) => first.get(fixOf(point)) !== point.id).map(({ id }) => id);
  return new Set(
    points.length === 0 ? [] : [...again, ...(await findStoredFixes(tx, userId, deviceId, points))],
  );
}

/** A point of the track: a fact that is never edited. Degrees WGS 84, metres, m/s, degrees clockwise from north. */
export const location: Entity = {
  kind: "locations",
  type: "LOCATION",
  table: locationSamples,
  schema: z.object({
    timestamp: instant,
    latitude,
    longitude,
    altitude: maybe(number(-100_000, 1_000_000)),
    accuracy: number(0),
    speed: unknownAsMinusOne(number(0)),
    bearing: unknownAsMinusOne(number(0, 360)),
    provider: text(32),
    batteryLevel: unknownAsMinusOne(number(0, 1)),
    clientTimestamp: maybe(instant),
  }),
  fields: {
    timestamp: locationSamples.timestamp,
    latitude: locationSamples.latitude,
    longitude: locationSamples.longitude,
    altitude: locationSamples.altitude,
    accuracy: locationSamples.accuracy,
    speed: locationSamples.speed,
    bearing: locationSamples.bearing,
    provider: locationSamples.provider,
    batteryLevel: locationSamples.batteryLevel,
    clientTimestamp: locationSamples.clientTimestamp,
  },
  unknownToPhones: ["altitude", "batteryLevel"],
  decide: decideFact,
  findRepeats,
};
