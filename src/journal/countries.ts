import { sql } from "drizzle-orm";
import type { Queryable } from "../database/client.ts";

interface Point extends Record<string, unknown> {
  /** Degrees WGS 84. */
  latitude: number;
  longitude: number;
}

/** Lookups after which others get their turn: a long journal has tens of thousands of places. */
const turn = 500;

/** One real point for each hundredth of a degree (about a kilometre) that the account was in. */
async function readPlaces(db: Queryable, userId: string): Promise<Point[]> {
  return db.execute<Point>(sql`
    SELECT DISTINCT ON (floor(latitude * 100), floor(longitude * 100)) latitude, longitude
    FROM location_samples
    WHERE user_id = ${userId} AND deleted_at IS NULL AND latitude IS NOT NULL AND longitude IS NOT NULL
    ORDER BY floor(latitude * 100), floor(longitude * 100), timestamp, id`);
}

/** How many countries an account's points lie in, by the borders that come with the program. The sea is none. */
export async function countCountries(db: Queryable, userId: string): Promise<number> {
  const places = await readPlaces(db, userId);
  if (places.length === 0) return 0;
  // Loaded when first needed: the borders take a tenth of a second to read.
  const { iso1A2Code } = await import("@rapideditor/country-coder");
  const found = new Set<string>();
  for (const [index, { latitude, longitude }] of places.entries()) {
    if (index % turn === turn - 1) await new Promise(setImmediate);
    const code = iso1A2Code([longitude, latitude]);
    if (code !== null) found.add(code);
  }
  return found.size;
}
