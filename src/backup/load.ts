import { sql } from "drizzle-orm";
import { migrations } from "../../migrations/index.ts";
import type { Database, DatabaseClient, Transaction } from "../database/client.ts";
import { copyIn } from "../database/copy.ts";
import { migrate } from "../database/migrator.ts";
import { codeOf } from "../database/sqlstate.ts";
import { counterLift } from "../sync/counter.ts";
import { fingerprintTable, useCopyFormat } from "./dump.ts";
import { BackupError } from "./error.ts";
import type { BackupFiles } from "./files.ts";
import type { Manifest, TableEntry } from "./manifest.ts";
import type { BackupProgress } from "./progress.ts";
import { openTable } from "./read-snapshot.ts";
import type { Unsealing } from "./sealing.ts";
import { tables } from "./tables.ts";

/** A backup that is to be restored, and what opens it. */
export interface Source {
  readonly files: BackupFiles;
  readonly manifest: Manifest;
  /** Null where the backup is in clear. */
  readonly key: Unsealing | null;
  readonly progress?: BackupProgress | undefined;
}

/** @throws BackupError refused when a newer program made the backup */
export function requireKnownSchema({ id, schema, program }: Manifest): void {
  if (schema <= migrations.length) return;
  throw new BackupError(
    "refused",
    `The backup ${id} was made by trailglass ${program.version} and has schema ${schema}; this program knows ${migrations.length}: use that one, or a newer one`,
  );
}

const bytesOf = ({ tables: entries }: Manifest) =>
  entries.reduce((sum, { content }) => sum + content.size, 0);

/** Tells of every piece that passes: the table of points may be as large as all others together. */
async function* told(pieces: AsyncIterable<Uint8Array>, { progress }: Source): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) {
    yield piece;
    progress?.advance(piece.byteLength);
  }
}

async function loadTable(tx: Transaction, entry: TableEntry, source: Source): Promise<void> {
  const columns = entry.columns.map((name) => `"${name}"`).join(", ");
  const rows = await openTable(source.files, source.manifest, entry, source.key);
  await copyIn(tx, `COPY ${entry.name} (${columns}) FROM STDIN`, told(rows, source));
}

/** Data exceptions (class 22) and integrity constraint violations (23). Source: PostgreSQL documentation, appendix A. */
const unfit = /^(22|23)/;

/** @throws BackupError damaged, when the database does not take the rows */
async function fitting(entry: TableEntry, { manifest }: Source, load: () => Promise<void>): Promise<void> {
  try {
    await load();
  } catch (cause) {
    const code = codeOf(cause);
    if (code === undefined || !unfit.test(code)) throw cause;
    const message = `The rows of ${entry.name} in the backup ${manifest.id} do not fit together (${code})`;
    throw new BackupError("damaged", message, { cause });
  }
}

/**
 * Makes an empty schema what the database was: the migrations that had run then, and the rows. Nothing else is done to
 * them yet.
 * @throws BackupError damaged, when rows cannot be read; the schema is half full then
 */
export async function loadTables(db: Database, source: Source): Promise<void> {
  const { manifest, progress } = source;
  requireKnownSchema(manifest);
  progress?.begin("Filling the database", bytesOf(manifest));
  await migrate(db, migrations.slice(0, manifest.schema));
  for (const { name } of tables) {
    const entry = manifest.tables.find((candidate) => candidate.name === name);
    if (!entry) continue;
    await fitting(entry, source, () =>
      db.transaction(async (tx) => {
        await useCopyFormat(tx);
        await loadTable(tx, entry, source);
      }),
    );
  }
}

/**
 * Compares what was loaded, and not yet changed, with what the backup says.
 * @returns names of tables that differ
 */
export async function compareTables(db: Database, { manifest, progress }: Source): Promise<string[]> {
  const different: string[] = [];
  progress?.begin("Comparing the database", bytesOf(manifest), manifest.tables.length);
  await db.transaction(async (tx) => {
    await useCopyFormat(tx);
    for (const entry of manifest.tables) {
      const table = tables.find(({ name }) => name === entry.name);
      const found = table && (await fingerprintTable(tx, table));
      const isSame = found?.rows === entry.rows && found.content.sha256 === entry.content.sha256;
      if (!isSame) different.push(entry.name);
      progress?.advance(entry.content.size);
    }
  });
  return different;
}

/** Counts rows, which a restore may not lose on any way. @throws BackupError damaged */
async function requireCounts(db: Database, { tables: entries }: Manifest): Promise<void> {
  for (const { name, rows } of entries) {
    const [found] = await db.execute<{ rows: number }>(
      sql`SELECT count(*) AS rows FROM ${sql.identifier(name)}`,
    );
    if (found?.rows !== rows)
      throw new BackupError("damaged", `The table ${name} got ${found?.rows} rows instead of ${rows}`);
  }
}

/** Phones are told that this is another life of the database, and nothing that comes now is below what they saw. */
async function liftCounters(tx: Transaction): Promise<void> {
  await tx.execute(
    sql`UPDATE sync_versions SET version = version + ${counterLift}, epoch = gen_random_uuid()`,
  );
}

/** Photos show nothing where the bytes are not in the backup, so that phones may bring them again. */
async function forgetMissing(tx: Transaction, missing: readonly string[]): Promise<void> {
  const [found] = await tx.execute<{ there: boolean }>(
    sql`SELECT to_regclass('stored_objects') IS NOT NULL AS there`,
  );
  if (!found?.there || missing.length === 0) return;
  const keys = sql`ARRAY(SELECT jsonb_array_elements_text(${JSON.stringify(missing)}::text::jsonb))`;
  await tx.execute(sql`
    WITH gone AS (DELETE FROM stored_objects WHERE key = ANY (${keys}) RETURNING user_id, sha256)
    DELETE FROM photo_files f USING gone WHERE f.user_id = gone.user_id AND f.sha256 = gone.sha256`);
  await tx.execute(sql`UPDATE users SET avatar_key = NULL WHERE avatar_key = ANY (${keys})`);
}

/**
 * Makes what was loaded fit to be used: by phones that have seen more than the backup has, and by this program.
 * @param missing keys of objects whose bytes are not to be had
 */
export async function settleRestored(
  { db }: Pick<DatabaseClient, "db">,
  manifest: Manifest,
  missing: readonly string[],
): Promise<void> {
  await requireCounts(db, manifest);
  await db.transaction(async (tx) => {
    await liftCounters(tx);
    await forgetMissing(tx, missing);
  });
  await migrate(db, migrations);
  // By name: the system's own tables are not ours to look at.
  await db.execute(sql.raw(`ANALYZE ${tables.map(({ name }) => name).join(", ")}`));
}
