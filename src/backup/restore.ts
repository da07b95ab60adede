import { sql } from "drizzle-orm";
import { migrations } from "../../migrations/index.ts";
import type { Database, DatabaseClient, Queryable } from "../database/client.ts";
import { readSchemaState } from "../database/migrator.ts";
import type { ObjectStorage } from "../storage/storage.ts";
import { BackupError } from "./error.ts";
import { dropRestoreSchema, exchangeSchemas, makeRestoreSchema, restoreSchema } from "./exchange-schema.ts";
import { loadTables, requireKnownSchema, type Source, settleRestored } from "./load.ts";
import type { Manifest } from "./manifest.ts";
import { restoreObjects } from "./restore-objects.ts";
import { inTurn, requireNothingBuiltOn, requireOwnTables } from "./restore-turn.ts";
import { chooseWhole } from "./whole.ts";

export interface RestoreParts extends Source {
  readonly database: DatabaseClient;
  /** Opens the storage that is configured, for a database. */
  readonly openStorage: (db: Database) => Promise<ObjectStorage>;
  /** What is there may be replaced. */
  readonly replace: boolean;
  /** Pictures that are damaged are left out, instead of nothing being restored. */
  readonly salvage: boolean;
}

/** What became of a restore. */
export interface RestoreReport {
  readonly id: string;
  readonly accounts: number;
  /** Rows of all tables. */
  readonly rows: number;
  readonly pictures: number;
  /** Pictures that the backup names and does not have. */
  readonly missing: number;
}

/** What the database calls the sessions of this restore, so that they are not taken for somebody else's. */
export const restoringName = (): string => `trailglass restore ${process.pid}`;

/** Whoever wrote meanwhile would write into what is about to be replaced. Restores wait their turn by themselves. */
async function requireNobody(db: Queryable): Promise<void> {
  const others = await db.execute(sql`
    SELECT FROM pg_stat_activity WHERE datname = current_database()
      AND application_name LIKE 'trailglass%' AND application_name NOT LIKE 'trailglass restore%'`);
  if (others.length === 0) return;
  throw new BackupError(
    "refused",
    "A server runs on this database: stop it first (systemctl stop trailglass)",
  );
}

/**
 * What is to be replaced may be of a newer program: an upgrade that went wrong is taken back in this way.
 * @throws BackupError when the database is not empty; SchemaError when it is of a newer program
 */
async function requireFreeTarget(db: Queryable, replace: boolean): Promise<void> {
  await requireOwnTables(db);
  await requireNothingBuiltOn(db);
  if (replace) return;
  const state = await readSchemaState(db, migrations);
  if (state.every(({ appliedAt }) => appliedAt === null)) return;
  const [row] = await db.execute<{ accounts: number }>(sql`SELECT count(*)::int AS accounts FROM users`);
  if (row?.accounts === 0) return;
  const found = row?.accounts === 1 ? "an account" : `${row?.accounts} accounts`;
  throw new BackupError(
    "refused",
    `The database is not empty: it has ${found}. --replace puts the backup in its place`,
  );
}

const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);

function report(manifest: Manifest, missing: readonly string[]): RestoreReport {
  return {
    id: manifest.id,
    accounts: manifest.tables.find(({ name }) => name === "users")?.rows ?? 0,
    rows: sum(manifest.tables.map(({ rows }) => rows)),
    pictures: manifest.objects.length - (missing.length - manifest.missing.length),
    missing: missing.length,
  };
}

async function fillBeside(parts: RestoreParts, missing: readonly string[]): Promise<void> {
  const scratch = parts.database.inSchema(restoreSchema, 4);
  try {
    await fill(scratch, parts, missing);
  } finally {
    // After a COPY that failed its connection is of no more use.
    await scratch.close(1);
  }
}

/** Fills the schema beside the one in use, and the storage. */
async function fill(scratch: DatabaseClient, parts: RestoreParts, missing: readonly string[]): Promise<void> {
  await loadTables(scratch.db, parts);
  const lost = new Set(missing);
  await settleRestored(scratch, parts.manifest, missing);
  const storage = await parts.openStorage(scratch.db);
  try {
    await restoreObjects(
      storage,
      parts.manifest.objects.filter(({ key }) => !lost.has(key)),
      parts,
    );
  } finally {
    await storage.close();
  }
}

/**
 * Restores a backup:
 * 1. looks whether the database may be replaced, and that no server runs on it;
 * 2. reads all of the backup, and goes no further when anything is damaged;
 * 3. fills a schema beside the one in use: the migrations of that time, the rows, the migrations since;
 * 4. lifts every account's counter and gives it another epoch, so that no phone skips or loses anything (sync.md, Restore);
 * 5. brings the objects into the storage that is configured now;
 * 6. exchanges the schemas in one transaction, and only then drops what was there.
 * Cut off or failed before 6, everything is as it was; the next attempt begins anew, but brings no object twice.
 * @throws BackupError, SchemaError, StorageAwayError, DatabaseUnavailableError, or what the database throws
 */
export async function restoreBackup(parts: RestoreParts): Promise<RestoreReport> {
  requireKnownSchema(parts.manifest);
  return inTurn(parts.database, () => replaceAll(parts));
}

async function replaceAll(parts: RestoreParts): Promise<RestoreReport> {
  const { database, manifest, replace } = parts;
  await requireNobody(database.db);
  await requireFreeTarget(database.db, replace);
  const missing = await chooseWhole(parts);
  await makeRestoreSchema(database.db);
  try {
    await fillBeside(parts, missing);
    await exchangeSchemas(database.db, {
      before: (tx) => requireFreeTarget(tx, replace),
      // Everything is held by now: whoever comes later finds what was restored.
      held: requireNobody,
    });
  } finally {
    await dropRestoreSchema(database.db).catch(() => {});
  }
  return report(manifest, missing);
}
