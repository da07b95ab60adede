import { sql } from "drizzle-orm";
import type { DatabaseClient, Queryable } from "../database/client.ts";
import { mayCreateTables } from "../database/create-rights.ts";
import { DatabaseUnavailableError } from "../database/open.ts";
import { codeOf, isTransient } from "../database/sqlstate.ts";
import { StorageAwayError } from "../storage/inspection.ts";
import { BackupError } from "./error.ts";
import { isOwnTable, restoreSchema } from "./exchange-schema.ts";
import { ownTables } from "./tables.ts";

/** Any number will do, as long as every version of the program uses the same: the letters "rest". */
const lockKey = 0x72657374;

/** SQLSTATE: the role lacks a right. */
const notPermitted = "42501";

/** SQLSTATE: a lock was not to be had in time. */
const lockNotAvailable = "55P03";

/** Says what became of a restore whose database failed. */
function explain(error: unknown): unknown {
  if (error instanceof BackupError || error instanceof StorageAwayError) return error;
  if (error instanceof DatabaseUnavailableError) return error;
  if (codeOf(error) === notPermitted) {
    const message =
      "The database user may not do what a restore needs: make it the owner of the database and of all tables in it";
    return new BackupError("refused", message, { cause: error });
  }
  if (codeOf(error) === lockNotAvailable)
    return new BackupError(
      "refused",
      "Somebody holds the tables: close psql and the like, then run the same again",
    );
  if (!isTransient(error)) return error;
  return new DatabaseUnavailableError(
    `The database went away or ran out of room in the middle (${codeOf(error)}): run the same again, it begins anew`,
    { cause: error },
  );
}

/**
 * Restores, whole or of one account, come one after the other: all fill the same schema beside the one in use.
 * @throws BackupError busy, DatabaseUnavailableError, or what the work throws
 */
export async function inTurn<T>(database: DatabaseClient, work: () => Promise<T>): Promise<T> {
  // A connection of its own: one of the pool may be closed when it is idle, and the lock would go with it.
  const holder = database.inSchema(restoreSchema, 1);
  try {
    const held = await holder.sql.reserve();
    const [row] = await held`SELECT pg_try_advisory_lock(${lockKey}) AS locked`;
    if (!row?.locked) throw new BackupError("busy", "Another restore is under way on this database");
    return await work();
  } catch (error) {
    throw explain(error);
  } finally {
    await holder.close(0);
  }
}

/** Somebody else's tables are never put aside, and a restore finds out at its beginning that it would not come to its end. */
export async function requireOwnTables(db: Queryable): Promise<void> {
  if (!(await mayCreateTables(db)))
    throw new BackupError(
      "refused",
      "The database user may not make tables in this database: make it the owner of the database",
    );
  const [row] = await db.execute<{ strange: string | null }>(sql`
    SELECT string_agg(c.relname, ', ' ORDER BY c.relname) AS strange
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = current_schema() AND c.relname = ANY (string_to_array(${ownTables.join(",")}, ','))
      AND NOT EXISTS (SELECT FROM pg_attribute a
        WHERE a.attrelid = to_regclass('schema_migrations') AND a.attname = 'checksum')`);
  if (row?.strange)
    throw new BackupError(
      "refused",
      `The database has tables of another program (${row.strange}): give trailglass a database of its own`,
    );
}

/** What others have built on our tables would go with what is replaced. @throws BackupError refused */
export async function requireNothingBuiltOn(db: Queryable): Promise<void> {
  const [row] = await db.execute<{ others: string | null }>(sql`
    WITH ours AS (SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = current_schema() AND ${isOwnTable})
    SELECT string_agg(DISTINCT found.name::text, ', ') AS others FROM (
      SELECT r.ev_class::regclass AS name FROM pg_rewrite r JOIN pg_depend d ON d.objid = r.oid
        WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid IN (TABLE ours)
      UNION SELECT k.conrelid::regclass FROM pg_constraint k
        WHERE k.contype = 'f' AND k.confrelid IN (TABLE ours) AND k.conrelid NOT IN (TABLE ours)) found`);
  if (row?.others)
    throw new BackupError(
      "refused",
      `Views or keys of others refer to what is to be replaced (${row.others}): drop them, and make them again afterwards`,
    );
}
