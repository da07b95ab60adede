import { sql } from "drizzle-orm";
import type { Queryable } from "../database/client.ts";

/** What there was on a day. */
export interface DailyStatistics extends Record<string, unknown> {
  /** Such as `2025-11-17`, in UTC. */
  readonly day: string;
  readonly accounts: number;
  /** Devices that synced within the week before. */
  readonly activeDevices: number;
  readonly locations: number;
  readonly placeVisits: number;
  readonly trips: number;
  readonly photos: number;
  readonly pictureBytes: number;
  readonly databaseBytes: number;
}

/** Counts what there is, and writes it down for today; a second time a day, over the first. It reads every table once. */
export async function takeStatistics(db: Queryable): Promise<void> {
  await db.execute(sql`
    INSERT INTO daily_statistics (day, accounts, active_devices, locations, place_visits, trips, photos, picture_bytes, database_bytes)
    SELECT (now() AT TIME ZONE 'UTC')::date,
      (SELECT count(*) FROM users),
      (SELECT count(*) FROM devices WHERE last_sync_at > now() - interval '7 days'),
      (SELECT count(*) FROM location_samples WHERE deleted_at IS NULL),
      (SELECT count(*) FROM place_visits WHERE deleted_at IS NULL),
      (SELECT count(*) FROM trips WHERE deleted_at IS NULL),
      (SELECT count(*) FROM photos WHERE deleted_at IS NULL),
      (SELECT coalesce(sum(size), 0) FROM stored_objects),
      pg_database_size(current_database())
    ON CONFLICT (day) DO UPDATE SET accounts = EXCLUDED.accounts, active_devices = EXCLUDED.active_devices,
      locations = EXCLUDED.locations, place_visits = EXCLUDED.place_visits, trips = EXCLUDED.trips, photos = EXCLUDED.photos,
      picture_bytes = EXCLUDED.picture_bytes, database_bytes = EXCLUDED.database_bytes, taken_at = now()`);
}

/** The last days of which there are statistics, the newest first. */
export async function readStatistics(db: Queryable, days: number): Promise<DailyStatistics[]> {
  return db.execute<DailyStatistics>(sql`
    SELECT day::text, accounts, active_devices AS "activeDevices", locations, place_visits AS "placeVisits", trips, photos,
      picture_bytes AS "pictureBytes", database_bytes AS "databaseBytes"
    FROM daily_statistics ORDER BY day DESC LIMIT ${days}`);
}
