import { type SQL, sql } from "drizzle-orm";
import type { Queryable, Transaction } from "../database/client.ts";
import { isoInstant } from "../database/instants.ts";
import type { Fingerprint } from "../storage/fingerprint.ts";
import type { ExportFormat } from "./format-names.ts";
import type { ExportRange } from "./range.ts";

/** The words of the API; there is no other. */
export type ExportStatus = "PENDING" | "PROCESSING" | "COMPLETED" | "FAILED";

/** What somebody asks for. */
export interface ExportRequest {
  readonly format: ExportFormat;
  readonly includePhotos: boolean;
  readonly range: ExportRange;
}

/** An export as it stands. */
export interface ExportRow {
  readonly id: string;
  readonly status: ExportStatus;
  /** Where its file lies; null before there is one, and after it is gone. */
  readonly key: string | null;
  /** Bytes. */
  readonly size: number | null;
  readonly sha256: string | null;
  readonly completedAt: string | null;
  readonly expiresAt: string | null;
  /** Seconds until it expires, by the database's clock. */
  readonly secondsLeft: number | null;
}

/** Days for which a file is kept, and for which it is remembered that there was one. */
const keptDays = 7;
const rememberedDays = 90;

/** Seconds in which the same request again is the same export. */
const repeatSeconds = 60;

const columns = sql`id, status, key, size, encode(sha256, 'hex') AS sha256, ${isoInstant(sql`completed_at`)} AS "completedAt",
  ${isoInstant(sql`expires_at`)} AS "expiresAt", extract(epoch FROM expires_at - now())::float8 AS "secondsLeft"`;

async function one(db: Queryable, statement: SQL): Promise<ExportRow | null> {
  const [row] = await db.execute<ExportRow & Record<string, unknown>>(statement);
  return row ?? null;
}

/** Holds an account, so that its requests are looked at one after the other. @returns false when it is gone */
export async function holdAccount(tx: Transaction, userId: string): Promise<boolean> {
  const held = await tx.execute(sql`SELECT 1 FROM users WHERE id = ${userId} FOR NO KEY UPDATE`);
  return held.length > 0;
}

/** What the account was given for the same request a moment ago, unless that came to nothing. */
export const findRepeated = (
  db: Queryable,
  userId: string,
  { format, includePhotos, range }: ExportRequest,
): Promise<ExportRow | null> =>
  one(
    db,
    sql`SELECT ${columns} FROM exports
      WHERE user_id = ${userId} AND format = ${format} AND include_photos = ${includePhotos}
        AND start_at IS NOT DISTINCT FROM ${range.start}::timestamptz
        AND end_at IS NOT DISTINCT FROM ${range.end}::timestamptz
        AND status <> 'FAILED' AND requested_at > now() - make_interval(secs => ${repeatSeconds})
      ORDER BY requested_at DESC LIMIT 1`,
  );

export async function countUnfinished(db: Queryable, userId: string): Promise<number> {
  const [row] = await db.execute<{ count: number }>(sql`
    SELECT count(*) FROM exports WHERE user_id = ${userId} AND status IN ('PENDING', 'PROCESSING')`);
  return row?.count ?? 0;
}

export async function insertExport(
  tx: Transaction,
  userId: string,
  id: string,
  { format, includePhotos, range }: ExportRequest,
): Promise<void> {
  await tx.execute(sql`
    INSERT INTO exports (user_id, id, format, include_photos, start_at, end_at, status)
    VALUES (${userId}, ${id}, ${format}, ${includePhotos}, ${range.start}::timestamptz, ${range.end}::timestamptz, 'PENDING')`);
}

/** An account's export; null when it has none of this id. */
export const findExport = (db: Queryable, userId: string, id: string): Promise<ExportRow | null> =>
  one(db, sql`SELECT ${columns} FROM exports WHERE user_id = ${userId} AND id = ${id}`);

interface Begun extends Record<string, unknown> {
  readonly format: ExportFormat;
  readonly includePhotos: boolean;
  readonly start: string | null;
  readonly end: string | null;
}

/** Somebody makes it now. @returns what was asked for; null when it is there already, or nobody wants it any more */
export async function beginExport(db: Queryable, userId: string, id: string): Promise<ExportRequest | null> {
  const [row] = await db.execute<Begun>(sql`
    UPDATE exports SET status = 'PROCESSING' WHERE user_id = ${userId} AND id = ${id} AND status <> 'COMPLETED'
    RETURNING format, include_photos AS "includePhotos", ${isoInstant(sql`start_at`)} AS start, ${isoInstant(sql`end_at`)} AS end`);
  return row
    ? { format: row.format, includePhotos: row.includePhotos, range: { start: row.start, end: row.end } }
    : null;
}

/** Its file is there. @returns until when; null when another attempt was faster, or nobody wants it any more */
export async function completeExport(
  tx: Transaction,
  userId: string,
  id: string,
  { key, size, sha256 }: Fingerprint & { key: string },
): Promise<string | null> {
  const [completed] = await tx.execute<{ expiresAt: string }>(sql`
    UPDATE exports SET status = 'COMPLETED', key = ${key}, size = ${size}, sha256 = decode(${sha256}, 'hex'),
      completed_at = now(), expires_at = now() + make_interval(days => ${keptDays})
    WHERE user_id = ${userId} AND id = ${id} AND status <> 'COMPLETED'
    RETURNING ${isoInstant(sql`expires_at`)} AS "expiresAt"`);
  return completed?.expiresAt ?? null;
}

/** Whether an export refers to a key; whoever is about to say so is waited for. */
export async function hasKey(db: Queryable, userId: string, id: string, key: string): Promise<boolean> {
  const [row] = await db.execute<{ key: string | null }>(
    sql`SELECT key FROM exports WHERE user_id = ${userId} AND id = ${id} FOR SHARE`,
  );
  return row?.key === key;
}

/** It will not be made. */
export async function failExport(tx: Transaction, userId: string, id: string): Promise<void> {
  await tx.execute(sql`
    UPDATE exports SET status = 'FAILED' WHERE user_id = ${userId} AND id = ${id} AND status <> 'COMPLETED'`);
}

/** Lets go of the files whose time is over, and forgets exports of long ago. An expired one stays COMPLETED. */
export async function expireExports(db: Queryable): Promise<void> {
  await db.execute(sql`
    WITH gone AS (SELECT user_id, id, key FROM exports WHERE expires_at <= now() AND key IS NOT NULL FOR UPDATE SKIP LOCKED),
      cleared AS (UPDATE exports e SET key = NULL FROM gone WHERE e.user_id = gone.user_id AND e.id = gone.id)
    INSERT INTO unreferenced_objects (key, due_at, owner_id) SELECT key, now(), user_id FROM gone ON CONFLICT (key) DO NOTHING`);
  await db.execute(sql`
    DELETE FROM exports WHERE key IS NULL AND requested_at < now() - make_interval(days => ${rememberedDays})`);
}
