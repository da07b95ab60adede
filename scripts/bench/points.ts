import type postgres from "postgres";
import type { BenchPhone } from "./phone.ts";

/** A recorded point as a phone sends it: what it never knows is null. */
export interface Point {
  readonly id: string;
  readonly timestamp: string;
  readonly latitude: number;
  readonly longitude: number;
  readonly altitude: null;
  readonly accuracy: number;
  readonly speed: number;
  readonly bearing: number;
  readonly provider: string;
  readonly batteryLevel: null;
  readonly clientTimestamp: string;
  readonly syncAction: string;
  readonly localVersion: number;
  readonly serverVersion: null;
  readonly lastModified: string;
  readonly deviceId: string;
}

const firstInstant = Date.parse("2025-06-01T07:30:00.000Z");
const secondsApart = 5;

/** The nth point of a track that winds around the globe. */
export function pointAt(n: number, deviceId: string): Point {
  const timestamp = new Date(firstInstant + n * secondsApart * 1000 + (n % 1000)).toISOString();
  return {
    id: `sample_${crypto.randomUUID()}`,
    timestamp,
    latitude: Number((48 + 20 * Math.sin(n / 9e4)).toFixed(7)),
    longitude: Number(((n * 0.00011) % 180).toFixed(7)),
    altitude: null,
    accuracy: 4 + (n % 90) / 10,
    speed: Number(((n * 7.3) % 40).toFixed(2)),
    bearing: Number(((n * 1.7) % 360).toFixed(1)),
    provider: "GPS",
    batteryLevel: null,
    clientTimestamp: timestamp,
    syncAction: "CREATE",
    localVersion: 1,
    serverVersion: null,
    lastModified: timestamp,
    deviceId,
  };
}

/** The columns of a point that a phone is given, and of an upload the ones that get a value. */
export const givenColumns = `id, timestamp, latitude, longitude, altitude, accuracy, speed, bearing, provider,
  battery_level, client_timestamp, local_version, server_version, last_modified, device_id`;

/** Fills an account with points of the same widths, past the server, and settles the table's statistics. */
export async function seedPoints(sql: postgres.Sql, phone: BenchPhone, points: number): Promise<void> {
  await sql`
    INSERT INTO location_samples (user_id, id, device_id, server_version, edited_version, local_version, last_modified,
      timestamp, latitude, longitude, accuracy, speed, bearing, provider, client_timestamp)
    SELECT ${phone.userId}, 'sample_' || gen_random_uuid(), ${phone.deviceId}, n, n, 1, at, at,
      round((48 + 20 * sin(n / 9e4))::numeric, 7), round((n * 0.00011)::numeric % 180, 7), 4 + (n % 90) / 10.0,
      round((n * 7.3)::numeric % 40, 2), round((n * 1.7)::numeric % 360, 1), 'GPS', at
    FROM (SELECT n, timestamptz '2025-06-01 07:30Z' + n * interval '5 s' + (n % 1000) * interval '1 ms' AS at
      FROM generate_series(1, ${points}::int) n) track`;
  await sql`UPDATE sync_versions SET version = ${points} WHERE user_id = ${phone.userId}`;
  // Both sides of a comparison shall find the table at rest: autovacuum would do the same a minute later.
  await sql`VACUUM ANALYZE location_samples`;
}
