import { sql } from "drizzle-orm";
import type { Database, Queryable, Transaction } from "../database/client.ts";

/*
 * The books about keys that nothing refers to. A key is written down here before its bytes are stored, and taken away in
 * the transaction that makes something refer to it. So a server that is killed in between leaves a line here, by which
 * the sweeper finds the bytes, and never something that refers to bytes which are not there.
 */

/** What deletes an object with all that was made from it. */
export type Bytes = { delete(key: string): Promise<void> };

/** Writes down a key before its bytes are stored: should nothing come to refer to it, they go after a day. */
export async function announce(db: Queryable, key: string): Promise<void> {
  await db.execute(
    sql`INSERT INTO unreferenced_objects (key, due_at) VALUES (${key}, now() + interval '1 day')`,
  );
}

/**
 * Something refers to a key from now on, if the transaction commits.
 * @returns false when the sweeper was here first: its bytes are gone, or about to go
 */
export async function claim(tx: Transaction, key: string): Promise<boolean> {
  const claimed = await tx.execute(sql`
    DELETE FROM unreferenced_objects WHERE key = ${key} AND NOT condemned RETURNING key`);
  return claimed.length > 0;
}

/** The same for many keys. @returns false when the sweeper was here first for one of them */
export async function claimAll(tx: Transaction, keys: readonly string[]): Promise<boolean> {
  const claimed = await tx.execute(sql`
    DELETE FROM unreferenced_objects WHERE key = ANY (string_to_array(${keys.join(",")}, ',')) AND NOT condemned
    RETURNING key`);
  return claimed.length === keys.length;
}

/** Days for which bytes stay that nothing refers to any longer: a backup under way may still want them. */
type Days = 0 | 1 | 30;

/** Nothing of an account refers to a key any longer. */
export async function release(db: Queryable, userId: string, key: string, days: Days): Promise<void> {
  await db.execute(sql`
    INSERT INTO unreferenced_objects AS t (key, due_at, owner_id)
    VALUES (${key}, now() + make_interval(days => ${days}), ${userId})
    ON CONFLICT (key) DO UPDATE SET due_at = least(t.due_at, EXCLUDED.due_at), owner_id = EXCLUDED.owner_id`);
}

/** Whether a key was announced, and still may be written to. */
export async function isAnnounced(db: Queryable, key: string): Promise<boolean> {
  const found = await db.execute(
    sql`SELECT 1 FROM unreferenced_objects WHERE key = ${key} AND NOT condemned`,
  );
  return found.length > 0;
}

/** The same key is written down again, should it have been taken away while its bytes came. */
export async function announceAgain(db: Queryable, key: string): Promise<void> {
  await db.execute(sql`
    INSERT INTO unreferenced_objects (key, due_at) VALUES (${key}, now() + interval '1 day') ON CONFLICT DO NOTHING`);
}

/** All that an account refers to is let go of, at once: it is about to be erased. */
export async function releaseAccount(tx: Transaction, userId: string): Promise<void> {
  // One that is just being completed is waited for, or its key would be in no book: the row goes, and nobody had seen it.
  await tx.execute(sql`SELECT FROM exports WHERE user_id = ${userId} FOR UPDATE`);
  await tx.execute(sql`
    INSERT INTO unreferenced_objects AS t (key, due_at)
    SELECT key, now() FROM unreferenced_objects WHERE owner_id = ${userId}
    UNION SELECT key, now() FROM stored_objects WHERE user_id = ${userId}
    UNION SELECT key, now() FROM direct_uploads WHERE user_id = ${userId}
    UNION SELECT key, now() FROM exports WHERE user_id = ${userId} AND key IS NOT NULL
    UNION SELECT avatar_key, now() FROM users WHERE id = ${userId} AND avatar_key IS NOT NULL
    ON CONFLICT (key) DO UPDATE SET due_at = EXCLUDED.due_at`);
  // Were they still there, each of its photos would keep its bytes for a day, and the same bytes only once: the second
  // time their row is one of this transaction, whose account Postgres looks for in vain.
  await tx.execute(sql`DELETE FROM photo_files WHERE user_id = ${userId}`);
}

/**
 * Deletes the bytes of a key that nothing refers to. It is condemned first, so that nobody can claim it meanwhile, and
 * no transaction is open while the storage takes its time; what is cut off in between is done again by the next sweep.
 * @param when `due`: only if its time has come
 * @returns false when something refers to it after all: a transaction whose end was not heard of had committed
 */
export async function destroy(
  db: Database,
  storage: Bytes,
  key: string,
  when: "at once" | "due" = "at once",
): Promise<boolean> {
  const condemned = await db.execute(sql`
    UPDATE unreferenced_objects SET condemned = true, due_at = least(due_at, now())
    WHERE key = ${key} AND (due_at <= now() OR ${when === "at once"}) RETURNING key`);
  if (condemned.length === 0) return false;
  await storage.delete(key);
  await db.execute(sql`DELETE FROM unreferenced_objects WHERE key = ${key} AND condemned`);
  return true;
}

/** Keys whose time has come, the oldest first. */
export async function listDue(db: Queryable, limit: number): Promise<string[]> {
  const rows = await db.execute<{ key: string }>(sql`
    SELECT key FROM unreferenced_objects WHERE due_at <= now() ORDER BY due_at, key LIMIT ${limit}`);
  return rows.map(({ key }) => key);
}

/** Tries a key that is due again later. */
export async function postpone(db: Queryable, key: string): Promise<void> {
  await db.execute(
    sql`UPDATE unreferenced_objects SET due_at = now() + interval '1 hour' WHERE key = ${key}`,
  );
}
