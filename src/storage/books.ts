import { sql } from "drizzle-orm";
import type { Queryable } from "../database/client.ts";
import { areaOf } from "./object-key.ts";

/** An original as the books have it. */
export interface BookedOriginal {
  readonly userId: string;
  readonly key: string;
  /** Bytes. */
  readonly size: number;
  /** In hexadecimal. */
  readonly sha256: string;
  readonly mediaType: string;
}

/** The file of an export, as the books have it. */
export type BookedExport = Pick<BookedOriginal, "key" | "size" | "sha256">;

/** What the books say lies in the storage. */
export interface BookTotals {
  readonly originals: number;
  /** Of all originals and exports. */
  readonly bytes: number;
  readonly avatars: number;
  /** That have a file. */
  readonly exports: number;
}

/** Whom an object belongs to. */
export interface Owner {
  readonly email: string;
  readonly photoIds: readonly string[];
}

/** Rows that are read at once. */
const pageSize = 500;

const originalColumns = sql`user_id AS "userId", key, size, encode(sha256, 'hex') AS sha256, media_type AS "mediaType"`;

type OriginalRow = BookedOriginal & Record<string, unknown>;

export async function readTotals(db: Queryable): Promise<BookTotals> {
  const [row] = await db.execute<BookTotals & Record<string, unknown>>(sql`
    SELECT o.count::int AS originals, (o.bytes + e.bytes)::float8 AS bytes, e.count::int AS exports,
      (SELECT count(avatar_key)::int FROM users) AS avatars
    FROM (SELECT count(*), coalesce(sum(size), 0) AS bytes FROM stored_objects) o,
      (SELECT count(*), coalesce(sum(size), 0) AS bytes FROM exports WHERE key IS NOT NULL) e`);
  return row as BookTotals;
}

/** All originals, page by page: no transaction is held while the caller works on them. */
export async function* listOriginals(db: Queryable): AsyncGenerator<BookedOriginal> {
  let page: OriginalRow[];
  let after = "";
  do {
    page = await db.execute<OriginalRow>(sql`
      SELECT ${originalColumns} FROM stored_objects WHERE key > ${after} ORDER BY key LIMIT ${pageSize}`);
    yield* page;
    after = page.at(-1)?.key ?? "";
  } while (page.length === pageSize);
}

/** Keys of all avatars, in the same way. */
export async function* listAvatars(db: Queryable): AsyncGenerator<string> {
  let page: { key: string }[];
  let after = "";
  do {
    page = await db.execute<{ key: string }>(sql`
      SELECT avatar_key AS key FROM users WHERE avatar_key > ${after} ORDER BY avatar_key LIMIT ${pageSize}`);
    yield* page.map(({ key }) => key);
    after = page.at(-1)?.key ?? "";
  } while (page.length === pageSize);
}

/** The files of all exports, in the same way. */
export async function* listExports(db: Queryable): AsyncGenerator<BookedExport> {
  let page: (BookedExport & Record<string, unknown>)[];
  let after = "";
  do {
    page = await db.execute<BookedExport & Record<string, unknown>>(sql`
      SELECT key, size, encode(sha256, 'hex') AS sha256 FROM exports WHERE key > ${after} ORDER BY key LIMIT ${pageSize}`);
    yield* page;
    after = page.at(-1)?.key ?? "";
  } while (page.length === pageSize);
}

/** The original under a key; null when there is none, or not any more. */
export async function findOriginal(db: Queryable, key: string): Promise<BookedOriginal | null> {
  const [row] = await db.execute<OriginalRow>(
    sql`SELECT ${originalColumns} FROM stored_objects WHERE key = ${key}`,
  );
  return row ?? null;
}

/** Whom an original, an avatar or an export belongs to; null when nobody has it, or not any more. */
export async function findOwner(db: Queryable, key: string): Promise<Owner | null> {
  const [row] = await db.execute<Owner & Record<string, unknown>>(sql`
    SELECT u.email, '{}'::text[] AS "photoIds" FROM users u WHERE u.avatar_key = ${key}
    UNION ALL
    SELECT u.email, '{}'::text[] FROM exports e JOIN users u ON u.id = e.user_id WHERE e.key = ${key}
    UNION ALL
    SELECT u.email, ARRAY(SELECT f.photo_id FROM photo_files f
      WHERE f.user_id = o.user_id AND f.sha256 = o.sha256 ORDER BY f.photo_id)
    FROM stored_objects o JOIN users u ON u.id = o.user_id WHERE o.key = ${key}`);
  return row ?? null;
}

/** The key that has to be in the books for an object to stay: that of the original, for what was made from one. */
function bookedKey(key: string): string {
  const name = /^thumbnails\/([0-9a-f]{32})/.exec(key)?.[1];
  return name === undefined ? key : `originals/${name}`;
}

/**
 * Those of some keys which the books do not have: nothing refers to them, and they are neither about to come nor about
 * to go. One statement sees all the books at one moment, so that a key which moves from one to another is in one.
 */
export async function findUnknown(db: Queryable, keys: readonly string[]): Promise<string[]> {
  const booked = [...new Set(keys.map(bookedKey))];
  const rows = await db.execute<{ key: string }>(sql`
    SELECT key FROM unnest(string_to_array(${booked.join(",")}, ',')) AS asked (key)
    WHERE NOT EXISTS (SELECT FROM stored_objects o WHERE o.key = asked.key)
      AND NOT EXISTS (SELECT FROM unreferenced_objects r WHERE r.key = asked.key)
      AND NOT EXISTS (SELECT FROM direct_uploads d WHERE d.key = asked.key)
      AND NOT EXISTS (SELECT FROM exports e WHERE e.key = asked.key)
      AND NOT EXISTS (SELECT FROM users u WHERE u.avatar_key = asked.key)`);
  const unknown = new Set(rows.map(({ key }) => key));
  return keys.filter((key) => unknown.has(bookedKey(key)));
}

/** An account whose avatar is lost has none. */
export async function forgetAvatar(db: Queryable, key: string): Promise<void> {
  if (areaOf(key) !== "avatars") return;
  await db.execute(sql`UPDATE users SET avatar_key = NULL, updated_at = now() WHERE avatar_key = ${key}`);
}

/** An export whose file is lost is as one that has expired. */
export async function forgetExport(db: Queryable, key: string): Promise<void> {
  if (areaOf(key) !== "exports") return;
  await db.execute(sql`UPDATE exports SET key = NULL WHERE key = ${key}`);
}
