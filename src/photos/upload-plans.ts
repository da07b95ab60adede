import { sql } from "drizzle-orm";
import type { Queryable, Transaction } from "../database/client.ts";
import type { MediaType } from "../images/media-type.ts";
import type { Content } from "../sync/entity.ts";

/** A picture that a phone brings past this server. */
export interface UploadPlan {
  /** Where it is put until it is confirmed. */
  readonly key: string;
  /** Bytes. */
  readonly size: number;
  readonly mediaType: MediaType;
  /** In hexadecimal; null when the phone did not say. */
  readonly sha256: string | null;
  /** What was said of a photo that was there already. */
  readonly said: Content | null;
}

/** Plans an upload, in the place of one that was planned before. */
export async function planUpload(
  tx: Transaction,
  userId: string,
  photoId: string,
  { key, size, mediaType, sha256, said }: UploadPlan,
): Promise<void> {
  const hash = sha256 === null ? sql`NULL` : sql`decode(${sha256}, 'hex')`;
  await tx.execute(sql`
    INSERT INTO direct_uploads (user_id, photo_id, key, size, media_type, sha256, said)
    VALUES (${userId}, ${photoId}, ${key}, ${size}, ${mediaType}, ${hash}, ${said && JSON.stringify(said)}::text::jsonb)
    ON CONFLICT (user_id, photo_id) DO UPDATE SET key = EXCLUDED.key, size = EXCLUDED.size,
      media_type = EXCLUDED.media_type, sha256 = EXCLUDED.sha256, said = EXCLUDED.said, created_at = now()`);
}

/** The upload that is planned for a photo; null when there is none. */
export async function findUpload(db: Queryable, userId: string, photoId: string): Promise<UploadPlan | null> {
  const [found] = await db.execute<UploadPlan & Record<string, unknown>>(sql`
    SELECT key, size, media_type AS "mediaType", encode(sha256, 'hex') AS sha256, said FROM direct_uploads
    WHERE user_id = ${userId} AND photo_id = ${photoId}`);
  return found ?? null;
}

/** The upload is done. */
export async function endUpload(tx: Transaction, userId: string, key: string): Promise<void> {
  await tx.execute(sql`DELETE FROM direct_uploads WHERE user_id = ${userId} AND key = ${key}`);
}
