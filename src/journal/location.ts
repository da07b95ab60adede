import { sql } from "drizzle-orm";
import { doublePrecision, pgTable, text as textColumn } from "drizzle-orm/pg-core";
import { z } from "zod";
import type { Transaction } from "../database/client.ts";
import type { Writer } from "../sync/apply-changes.ts";
import { arrayLiteral } from "../sync/array-literal.ts";
import type { Change } from "../sync/change.ts";
import { decideFact } from "../sync/decide.ts";
import type { Content, Entity } from "../sync/entity.ts";
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

/** The point that a location is a repeat of, whatever its id, if its device has been there before at that instant. */
const fixOf = ({ timestamp, latitude, longitude }: Content) => `${timestamp} ${latitude} ${longitude}`;

/** Ids of the device's points, by instant and coordinates. Each is looked up by the index that keeps them apart. */
async function findStanding(tx: Transaction, { userId, deviceId }: Writer, changes: readonly Change[]) {
  const points = changes.flatMap(({ content, encrypted }) => (content && !encrypted ? [content] : []));
  if (points.length === 0) return new Map<string, string>();
  const column = (key: string) => arrayLiteral(points.map((content) => content[key] as number | string));
  const rows = await tx.execute<{ id: string; place: number }>(sql`
    SELECT t.id, x.place
    FROM (SELECT ${userId}::uuid AS user_id, ${deviceId}::uuid AS device_id,
        unnest(${arrayLiteral(points.map((_, place) => place))}::integer[]) AS place,
        unnest(${column("timestamp")}::timestamptz[]) AS at,
        unnest(${column("latitude")}::double precision[]) AS latitude,
        unnest(${column("longitude")}::double precision[]) AS longitude) x
    CROSS JOIN LATERAL (
      SELECT r.id FROM location_samples r
      WHERE r.user_id = x.user_id AND r.timestamp = x.at AND r.device_id = x.device_id
        AND r.latitude = x.latitude AND r.longitude = x.longitude LIMIT 1) t`);
  return new Map(rows.map(({ id, place }) => [fixOf(points[place] as Content), id]));
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
  repeats: { keyOf: fixOf, findStanding },
};
