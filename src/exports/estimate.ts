import { sql } from "drizzle-orm";
import type { Queryable } from "../database/client.ts";
import { type ExportRange, isInRange } from "./range.ts";

/** What a small machine does a second, at least: rows that are written, bytes of pictures that are copied. */
const rowsASecond = 10_000;
const bytesASecond = 10_000_000;
/** Seconds until somebody begins with it. */
const wait = 5;

/** Bytes of the pictures of an account's photos in a range, each as often as it is shown. */
export async function sumOfPictures(db: Queryable, userId: string, range: ExportRange): Promise<number> {
  const [sum] = await db.execute<{ bytes: number }>(sql`
    SELECT coalesce(sum(o.size), 0)::float8 AS bytes FROM photos t
    JOIN photo_files f ON f.user_id = t.user_id AND f.photo_id = t.id
    JOIN stored_objects o ON o.user_id = f.user_id AND o.sha256 = f.sha256
    WHERE t.user_id = ${userId} AND t.deleted_at IS NULL AND ${isInRange("photos", range)}`);
  return sum?.bytes ?? 0;
}

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
