import { sql } from "drizzle-orm";
import type { Queryable } from "../database/client.ts";

/** What a small machine does a second, at least: rows that are written, bytes of pictures that are copied. */
const rowsASecond = 10_000;
const bytesASecond = 10_000_000;
/** Seconds until somebody begins with it. */
const wait = 5;

/**
 * Seconds that an export of an account takes at most, by what there is to write. A guess: nobody rests anything on it.
 * @param ahead exports that are made before this one, of the same account
 */
export async function estimateSeconds(
  db: Queryable,
  userId: string,
  { includePhotos, ahead }: { includePhotos: boolean; ahead: number },
): Promise<number> {
  const [amounts] = await db.execute<{ rows: number; bytes: number }>(sql`
    SELECT (SELECT count(*) FROM location_samples WHERE user_id = ${userId}) AS rows,
      (SELECT coalesce(sum(size), 0)::float8 FROM stored_objects WHERE user_id = ${userId}) AS bytes`);
  const { rows = 0, bytes = 0 } = amounts ?? {};
  const writing = rows / rowsASecond + (includePhotos ? bytes / bytesASecond : 0);
  return Math.ceil((wait + writing) * (1 + ahead));
}
