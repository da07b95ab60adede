import { sql } from "drizzle-orm";
import type { Queryable, Transaction } from "../database/client.ts";
import type { MediaType } from "../images/media-type.ts";
import type { PictureFacts } from "../images/picture-facts.ts";
import type { Content } from "../sync/entity.ts";

/** An original in the storage. */
export interface StoredPicture {
  readonly key: string;
  /** In hexadecimal. */
  readonly sha256: string;
  /** Bytes. */
  readonly size: number;
  readonly mediaType: MediaType;
}

const pictureColumns = sql`o.key, encode(o.sha256, 'hex') AS sha256, o.size, o.media_type AS "mediaType"`;
const bytea = (hex: string) => sql`decode(${hex}, 'hex')`;

/** What the account has stored of some content, by its SHA-256. */
export async function findByContent(
  db: Queryable,
  userId: string,
  sha256: string,
): Promise<StoredPicture | null> {
  const [found] = await db.execute<StoredPicture & Record<string, unknown>>(sql`
    SELECT ${pictureColumns} FROM stored_objects o WHERE o.user_id = ${userId} AND o.sha256 = ${bytea(sha256)}`);
  return found ?? null;
}

/** The original behind a photo that is there, and why it has no thumbnail, if it has none. */
export async function findByPhoto(
  db: Queryable,
  userId: string,
  photoId: string,
): Promise<(StoredPicture & { readonly problem: string | null }) | null> {
  const [found] = await db.execute<StoredPicture & { problem: string | null } & Record<string, unknown>>(sql`
    SELECT ${pictureColumns}, o.preview_problem AS problem
    FROM photos p JOIN photo_files f ON f.user_id = p.user_id AND f.photo_id = p.id
      JOIN stored_objects o ON o.user_id = f.user_id AND o.sha256 = f.sha256
    WHERE p.user_id = ${userId} AND p.id = ${photoId} AND p.deleted_at IS NULL`);
  return found ?? null;
}

/** Media type of the original under a key; null when nothing refers to it. */
export async function findMediaType(db: Queryable, key: string): Promise<MediaType | null> {
  const [found] = await db.execute<{ mediaType: MediaType }>(sql`
    SELECT media_type AS "mediaType" FROM stored_objects WHERE key = ${key}`);
  return found?.mediaType ?? null;
}

/** Records an original that has just been stored, in the place of one under the same content whose bytes were lost. */
export async function recordPicture(
  tx: Transaction,
  userId: string,
  { key, sha256, size, mediaType }: StoredPicture,
  facts: PictureFacts,
): Promise<void> {
  await tx.execute(sql`
    INSERT INTO stored_objects (user_id, sha256, key, size, media_type, facts)
    VALUES (${userId}, ${bytea(sha256)}, ${key}, ${size}, ${mediaType}, ${JSON.stringify(facts)}::text::jsonb)
    ON CONFLICT (user_id, sha256) DO UPDATE SET key = EXCLUDED.key, used_at = now(), preview_problem = NULL`);
}

/**
 * Holds an original that is there already, so that the sweeper lets it be.
 * @returns false when it has gone, or lies under another key now
 */
export async function holdPicture(
  tx: Transaction,
  userId: string,
  { key, sha256 }: StoredPicture,
): Promise<boolean> {
  const held = await tx.execute(sql`
    UPDATE stored_objects SET used_at = now()
    WHERE user_id = ${userId} AND sha256 = ${bytea(sha256)} AND key = ${key} RETURNING key`);
  return held.length > 0;
}

/**
 * Says which bytes a photo shows.
 * @param said what came with them, beside what the photo itself says
 * @returns `new`, `same` when it showed them already, or `other` when it shows other ones, and goes on to
 */
export async function attachPicture(
  tx: Transaction,
  userId: string,
  photoId: string,
  sha256: string,
  said: Content | null,
): Promise<"new" | "same" | "other"> {
  const made = await tx.execute(sql`
    INSERT INTO photo_files (user_id, photo_id, sha256, said)
    VALUES (${userId}, ${photoId}, ${bytea(sha256)}, ${said && JSON.stringify(said)}::text::jsonb)
    ON CONFLICT DO NOTHING RETURNING photo_id`);
  if (made.length > 0) return "new";
  const [shown] = await tx.execute<{ same: boolean }>(sql`
    SELECT sha256 = ${bytea(sha256)} AS same FROM photo_files
    WHERE user_id = ${userId} AND photo_id = ${photoId}`);
  return shown?.same ? "same" : "other";
}
