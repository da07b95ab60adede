import { createHash } from "node:crypto";
import { sql } from "drizzle-orm";
import type { Migration } from "../../migrations/index.ts";
import type { Database, Queryable } from "./client.ts";

/** The schema cannot be brought to, or used at, the state that this program needs. The message says how to proceed. */
export class SchemaError extends Error {}

export interface MigrationState extends Migration {
  /** ISO instant at which it ran; null while it is pending. */
  readonly appliedAt: string | null;
}

/** Any number will do, as long as every version of the program uses the same: the letters "trail". */
const lockKey = 0x747261696c;

const checksumOf = (migration: Migration) => createHash("sha256").update(migration.sql).digest("hex");

interface Applied extends Record<string, unknown> {
  number: number;
  name: string;
  checksum: string;
  appliedAt: string;
}

async function readApplied(db: Queryable): Promise<Applied[]> {
  const [table] = await db.execute<{ name: string | null }>(
    sql`SELECT to_regclass('schema_migrations')::text AS name`,
  );
  if (!table?.name) return [];
  return db.execute<Applied>(sql`
    SELECT number, name, checksum, to_json(applied_at) #>> '{}' AS "appliedAt" FROM schema_migrations ORDER BY number`);
}

function verify(applied: readonly Applied[], known: readonly Migration[]): void {
  for (const row of applied) {
    const migration = known.find((candidate) => candidate.number === row.number);
    if (!migration) {
      throw new SchemaError(
        `The database is at schema ${row.number} (${row.name}), but this program knows ${known.length}: it is older than the database. Install the newer program again.`,
      );
    }
    if (checksumOf(migration) !== row.checksum) {
      throw new SchemaError(
        `Migration ${row.number} (${row.name}) is not the one that ran on this database. Install the program that it came from, or restore a backup.`,
      );
    }
  }
}

/**
 * Every migration with the time at which it ran.
 * @throws SchemaError when the database is newer than the program, or a migration was changed after it ran.
 */
export async function readSchemaState(db: Queryable, known: readonly Migration[]): Promise<MigrationState[]> {
  const applied = await readApplied(db);
  verify(applied, known);
  return known.map((migration) => ({
    ...migration,
    appliedAt: applied.find((row) => row.number === migration.number)?.appliedAt ?? null,
  }));
}

/** What every table and function says that a migration has made: so a program knows those of newer ones as its own. */
export const ownMark = "trailglass";

/** Marks what this transaction has made. */
const markOwn = sql.raw(`
  DO $$ DECLARE made text; BEGIN
    FOR made IN
      SELECT format('TABLE %s', c.oid::regclass) FROM pg_class c
      WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace AND c.xmin = pg_current_xact_id()::xid
      UNION ALL SELECT format('FUNCTION %s', p.oid::regprocedure) FROM pg_proc p
      WHERE p.pronamespace = current_schema()::regnamespace AND p.xmin = pg_current_xact_id()::xid
    LOOP EXECUTE format('COMMENT ON %s IS %L', made, '${ownMark}'); END LOOP;
  END $$`);

/** Runs one migration if no other process has in the meantime; its statements and its record commit together. */
async function runOne(db: Database, migration: Migration, known: readonly Migration[]): Promise<boolean> {
  return db.transaction(async (tx) => {
    await tx.execute(sql`SELECT pg_advisory_xact_lock(${lockKey})`);
    await tx.execute(sql`
      CREATE TABLE IF NOT EXISTS schema_migrations (
        number integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())`);
    const state = await readSchemaState(tx, known);
    if (state.some(({ number, appliedAt }) => number === migration.number && appliedAt !== null))
      return false;
    await tx.execute(sql.raw(migration.sql));
    await tx.execute(markOwn);
    await tx.execute(sql`
      INSERT INTO schema_migrations (number, name, checksum)
      VALUES (${migration.number}, ${migration.name}, ${checksumOf(migration)})`);
    return true;
  });
}

/**
 * Runs what is pending, in order, each in a transaction of its own under an advisory lock, so that any number
 * of programs may start at once.
 * @returns the migrations that this call ran.
 * @throws SchemaError as `readSchemaState` does; any database error leaves the failed migration undone.
 */
export async function migrate(db: Database, known: readonly Migration[]): Promise<Migration[]> {
  const ran: Migration[] = [];
  for (const migration of await readSchemaState(db, known)) {
    if (migration.appliedAt === null && (await runOne(db, migration, known))) ran.push(migration);
  }
  return ran;
}

/** @throws SchemaError when a migration is pending. */
export async function requireCurrentSchema(db: Queryable, known: readonly Migration[]): Promise<void> {
  const pending = (await readSchemaState(db, known)).filter(({ appliedAt }) => appliedAt === null);
  if (pending.length > 0) {
    throw new SchemaError(
      `The database lacks ${pending.length} of ${known.length} schema migrations. Run "trailglass migrate", or set AUTO_MIGRATE=true.`,
    );
  }
}
