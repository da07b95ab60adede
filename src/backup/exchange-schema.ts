import { sql } from "drizzle-orm";
import type { Database, Queryable, Transaction } from "../database/client.ts";
import { ownMark } from "../database/migrator.ts";
import { counterLift } from "../sync/counter.ts";
import { BackupError } from "./error.ts";
import { ownTables } from "./tables.ts";

/** Where a backup is restored to, beside what is in use. */
export const restoreSchema = "trailglass_restore";
/** Where what was in use stays until the end. */
const replacedSchema = "trailglass_replaced";

/** Seconds to wait for somebody who looks into the tables, in psql for example. */
const patience = 30;

/** Removes what an interrupted restore has left, and makes an empty schema. @throws BackupError refused */
export async function makeRestoreSchema(db: Database): Promise<void> {
  await dropRestoreSchema(db);
  try {
    await db.execute(sql.raw(`CREATE SCHEMA ${restoreSchema}`));
  } catch (cause) {
    const message =
      "The database user may not make schemas, which a restore needs: make it the owner of the database";
    throw new BackupError("refused", message, { cause });
  }
}

/** Removes the restored schema, and the replaced one of a restore that was cut off at its very end. */
export async function dropRestoreSchema(db: Queryable): Promise<void> {
  for (const schema of [restoreSchema, replacedSchema])
    await db.execute(sql.raw(`DROP SCHEMA IF EXISTS ${schema} CASCADE`));
}

/** Whether a table (`c`) is ours: one that backups know of, or one that a program made, be it a newer one. */
export const isOwnTable = sql.raw(`(c.relkind = 'r' AND (
  c.relname = ANY ('{${ownTables.join(",")}}')
  OR obj_description(c.oid, 'pg_class') = '${ownMark}'))`);

/** The same of a function (`p`). */
const isOwnFunction = sql.raw(`(obj_description(p.oid, 'pg_proc') = '${ownMark}' OR EXISTS (
  SELECT FROM pg_proc r WHERE r.proname = p.proname AND r.pronamespace = '${restoreSchema}'::regnamespace))`);

/** Statements that move our tables and functions to another schema. */
async function listMoves(tx: Transaction, from: string, to: string): Promise<string[]> {
  const rows = await tx.execute<{ move: string }>(sql`
    SELECT format('ALTER TABLE %I.%I SET SCHEMA %I', n.nspname, c.relname, ${to}::text) AS move
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = ${from} AND ${isOwnTable}
    UNION ALL
    SELECT format('ALTER FUNCTION %I.%I(%s) SET SCHEMA %I', n.nspname, p.proname,
      pg_get_function_identity_arguments(p.oid), ${to}::text)
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname = ${from} AND ${isOwnFunction}`);
  return rows.map(({ move }) => move);
}

async function moveAll(tx: Transaction, moves: readonly string[]): Promise<void> {
  for (const move of moves) await tx.execute(sql.raw(move));
}

/** Where keys of objects stand. */
const keyColumns = [
  ["stored_objects", "key"],
  ["direct_uploads", "key"],
  ["unreferenced_objects", "key"],
  ["users", "avatar_key"],
] as const;

async function hasColumn(tx: Transaction, schema: string, table: string, column: string): Promise<boolean> {
  const found = await tx.execute(sql`
    SELECT 1 FROM information_schema.columns
    WHERE table_schema = ${schema} AND table_name = ${table} AND column_name = ${column}`);
  return found.length > 0;
}

/** Bytes of what is replaced lie in the storage still: they go after a day, unless what is restored shows them. */
async function releaseReplaced(tx: Transaction): Promise<void> {
  for (const [table, column] of keyColumns) {
    if (!(await hasColumn(tx, replacedSchema, table, column))) continue;
    await tx.execute(
      sql.raw(`
      INSERT INTO unreferenced_objects (key, due_at)
      SELECT o.${column}, now() + interval '1 day' FROM ${replacedSchema}.${table} o
      WHERE o.${column} IS NOT NULL
        AND NOT EXISTS (SELECT FROM stored_objects s WHERE s.key = o.${column})
        AND NOT EXISTS (SELECT FROM users u WHERE u.avatar_key = o.${column})
      ON CONFLICT DO NOTHING`),
    );
  }
}

/** Phones may have seen more than the backup's counters with their lift: what is replaced may have been lifted itself. */
async function passReplaced(tx: Transaction): Promise<void> {
  if (!(await hasColumn(tx, replacedSchema, "sync_versions", "version"))) return;
  await tx.execute(
    sql.raw(`
    UPDATE sync_versions s SET version = o.version + ${counterLift} FROM ${replacedSchema}.sync_versions o
    WHERE o.user_id = s.user_id AND o.version > s.version`),
  );
}

/** What has to hold, or nothing is exchanged. */
export interface ExchangeChecks {
  /** On what is in use. */
  before(tx: Transaction): Promise<void>;
  /** When nobody else can reach the tables any more. */
  held(tx: Transaction): Promise<void>;
}

/**
 * Puts what was restored in the place of what is in use, in one transaction: there is always one or the other. What it
 * replaces stays beside it, for `dropRestoreSchema`.
 */
export async function exchangeSchemas(db: Database, checks: ExchangeChecks): Promise<void> {
  await db.transaction(async (tx) => {
    await tx.execute(sql.raw(`SET LOCAL lock_timeout = '${patience}s'`));
    await checks.before(tx);
    const [row] = await tx.execute<{ inUse: string }>(sql`SELECT current_schema() AS "inUse"`);
    const inUse = row?.inUse ?? "public";
    await tx.execute(sql.raw(`CREATE SCHEMA ${replacedSchema}`));
    await moveAll(tx, await listMoves(tx, inUse, replacedSchema));
    await checks.held(tx);
    await moveAll(tx, await listMoves(tx, restoreSchema, inUse));
    await passReplaced(tx);
    await releaseReplaced(tx);
  });
}
