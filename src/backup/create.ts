import { sql } from "drizzle-orm";
import { migrations } from "../../migrations/index.ts";
import type { Database, Transaction } from "../database/client.ts";
import { readSchemaState } from "../database/migrator.ts";
import type { ObjectStorage } from "../storage/storage.ts";
import { program } from "../version.ts";
import { backUpObjects, listWanted, type WantedObject } from "./create-objects.ts";
import { dumpTable, useCopyFormat } from "./dump.ts";
import { BackupError } from "./error.ts";
import { type BackupFiles, streamOf } from "./files.ts";
import {
  envName,
  listSnapshots,
  type Manifest,
  readManifest,
  type TableEntry,
  tableName,
  writeManifest,
} from "./manifest.ts";
import type { BackupProgress } from "./progress.ts";
import { prepareSealing, type Sealing, type SealingWish, sealStream } from "./sealing.ts";
import { tables } from "./tables.ts";

/** Any number will do, as long as every version of the program uses the same: the letters "back". */
const lockKey = 0x6261636b;

export interface CreateParts {
  readonly db: Database;
  readonly storage: ObjectStorage;
  readonly files: BackupFiles;
  readonly sealing: SealingWish;
  /** Text of the env file, when it is to be in the backup. */
  readonly env?: string | undefined;
  readonly progress?: BackupProgress;
}

/** All of the database at one instant. */
interface Instant {
  readonly head: Omit<Manifest, "tables" | "objects" | "missing" | "env">;
  readonly tables: readonly TableEntry[];
  readonly wanted: readonly WantedObject[];
}

async function newId(files: BackupFiles, now: Date): Promise<string> {
  const id = `${now.toISOString().slice(0, 19).replaceAll(":", "-")}Z`;
  const taken = await listSnapshots(files);
  if (!taken.includes(id)) return id;
  await Bun.sleep(1000 - (Date.now() % 1000));
  return newId(files, new Date());
}

async function requireAlone(tx: Transaction): Promise<void> {
  const [row] = await tx.execute<{ locked: boolean }>(
    sql`SELECT pg_try_advisory_xact_lock(${lockKey}) AS locked`,
  );
  if (!row?.locked) throw new BackupError("busy", "Another backup of this database is being made");
}

async function readHead(
  tx: Transaction,
  files: BackupFiles,
  encryption: Sealing | null,
): Promise<Instant["head"]> {
  const state = await readSchemaState(tx, migrations);
  const schema = state.findLast(({ appliedAt }) => appliedAt !== null)?.number;
  if (schema === undefined)
    throw new BackupError("refused", "The database is empty: there is nothing to back up");
  const [row] = await tx.execute<{ now: string; postgres: string }>(sql`
    SELECT to_json(date_trunc('milliseconds', now())) #>> '{}' AS now, current_setting('server_version') AS postgres`);
  const createdAt = new Date(row?.now ?? Number.NaN);
  const counters = await tx.execute<{ id: string; version: number }>(
    sql`SELECT user_id AS id, version FROM sync_versions ORDER BY user_id`,
  );
  return {
    format: 1,
    id: await newId(files, createdAt),
    createdAt: createdAt.toISOString(),
    program: { version: program.version, commit: program.commit },
    schema,
    postgres: row?.postgres ?? "",
    encryption,
    counters: Object.fromEntries(counters.map(({ id, version }) => [id, version])),
  };
}

async function dumpTables(tx: Transaction, head: Instant["head"], parts: CreateParts): Promise<TableEntry[]> {
  const entries: TableEntry[] = [];
  for (const table of tables) {
    const entry = await dumpTable(tx, table, async (compressed) =>
      parts.files.write(tableName(head, table.name), await sealStream(compressed, head.encryption)),
    );
    if (entry) entries.push(entry);
    parts.progress?.advance(entry?.content.size ?? 0);
  }
  return entries;
}

async function readAll(tx: Transaction, parts: CreateParts, sealing: Sealing | null): Promise<Instant> {
  await requireAlone(tx);
  await useCopyFormat(tx);
  const head = await readHead(tx, parts.files, sealing);
  parts.progress?.begin("Copying the database");
  return { head, tables: await dumpTables(tx, head, parts), wanted: await listWanted(tx) };
}

/** Everything that the database says, and which objects it names, from one snapshot of it. */
async function readInstant(parts: CreateParts, sealing: Sealing | null): Promise<Instant> {
  let reading: Promise<Instant> | undefined;
  try {
    return await parts.db.transaction(
      (tx) => {
        reading = readAll(tx, parts, sealing);
        return reading;
      },
      { isolationLevel: "repeatable read", accessMode: "read only" },
    );
  } finally {
    // Of a connection that broke we hear before the file that was being written has been taken away.
    await reading?.catch(() => {});
  }
}

async function backUpEnv(head: Instant["head"], { files, env }: CreateParts): Promise<Manifest["env"]> {
  if (env === undefined) return null;
  const bytes = new TextEncoder().encode(env);
  const content = {
    size: bytes.byteLength,
    sha256: new Bun.CryptoHasher("sha256").update(bytes).digest("hex"),
  };
  return {
    content,
    file: await files.write(envName(head), await sealStream(streamOf(bytes), head.encryption)),
  };
}

/** The newest backup that can be read: what it has need not be looked at again. */
async function readPrevious(files: BackupFiles): Promise<Manifest | null> {
  for (const id of (await listSnapshots(files)).toReversed()) {
    const found = await readManifest(files, id).catch(() => null);
    if (found) return found;
  }
  return null;
}

/** Pictures are shared by all backups of a place, so one key opens them all. */
function requireSameKey(previous: Manifest | null, sealing: Sealing | null, { place }: BackupFiles): void {
  const before = previous?.encryption?.recipient;
  if (before === undefined || before === sealing?.recipient) return;
  const problem = sealing ? "encrypted with another key" : "encrypted, and no key is set";
  throw new BackupError(
    "sealed",
    `The backups in ${place} are ${problem}: set the same again, or another BACKUP_DIR`,
  );
}

/**
 * Makes a backup: all tables from one snapshot of the database, then every object that the snapshot names and that is
 * not there yet. The lock of the files is held by the caller. The server may run meanwhile; whatever fails, the backups
 * made before are as they were, and the next one goes on with the objects that this one had copied.
 * @returns the manifest, which has been written; it says what is missing
 * @throws BackupError, StorageAwayError, or what the database throws
 */
export async function createBackup(parts: CreateParts): Promise<Manifest> {
  const previous = await readPrevious(parts.files);
  const sealing = await prepareSealing(parts.files, parts.sealing);
  requireSameKey(previous, sealing, parts.files);
  const { head, tables, wanted } = await readInstant(parts, sealing);
  const { objects, missing } = await backUpObjects({ ...parts, sealing, previous }, wanted);
  const env = await backUpEnv(head, parts);
  const manifest: Manifest = { ...head, tables: [...tables], objects, missing, env };
  await writeManifest(parts.files, manifest);
  return manifest;
}
