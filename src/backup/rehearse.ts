import { closeSync, mkdirSync, openSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { sql } from "drizzle-orm";
import { connect, type Database } from "../database/client.ts";
import { chooseAccount } from "../database/embedded/account.ts";
import { openClusterFolder } from "../database/embedded/cluster-folder.ts";
import { layOut, statIfPresent } from "../database/embedded/layout.ts";
import { tryLockExclusively } from "../database/embedded/libc.ts";
import { runtimePlaces } from "../database/embedded/runtime.ts";
import { startEmbeddedPostgres } from "../database/embedded/server.ts";
import { clearTheWay } from "../database/embedded/takeover.ts";
import type { Log } from "../log.ts";
import { BackupError } from "./error.ts";
import { compareTables, loadTables, requireKnownSchema, type Source, settleRestored } from "./load.ts";
import { writeProof } from "./status.ts";
import { chooseWhole } from "./whole.ts";

export interface RehearseParts extends Source {
  /** A database is made in here, and removed again. */
  readonly dataDir: string;
  readonly log: Log;
}

export interface RehearsalReport {
  readonly id: string;
  /** Rows that were restored and compared. */
  readonly rows: number;
  readonly pictures: number;
  readonly seconds: number;
}

/** Every picture that the restored rows name has to be in the backup. */
async function requirePictures(db: Database, { manifest }: Source): Promise<void> {
  const rows = await db.execute<{ key: string }>(sql`
    SELECT key FROM stored_objects UNION ALL SELECT avatar_key FROM users WHERE avatar_key IS NOT NULL`);
  const there = new Set(manifest.objects.map(({ key }) => key));
  const lost = rows.filter(({ key }) => !there.has(key));
  if (lost.length === 0) return;
  throw new BackupError(
    "damaged",
    `The backup ${manifest.id} lacks ${lost.length} pictures that its tables name`,
  );
}

/** All that a restore does, but for handing the bytes of pictures to a storage: those have been read and compared. */
async function restoreHere(db: Database, source: Source, missing: readonly string[]): Promise<void> {
  await loadTables(db, source);
  const different = await compareTables(db, source);
  if (different.length > 0) {
    const message = `Restored, the backup ${source.manifest.id} is not what was backed up: ${different.join(", ")}`;
    throw new BackupError("damaged", message);
  }
  await settleRestored({ db }, source.manifest, missing);
  await requirePictures(db, source);
}

/** One at a time. @throws BackupError busy */
function takeTurn(dataDir: string): () => void {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const fd = openSync(join(dataDir, "rehearsal.lock"), "a", 0o600);
  if (tryLockExclusively(fd)) return () => closeSync(fd);
  closeSync(fd);
  throw new BackupError("busy", "Another backup is being rehearsed");
}

/** Ends what a rehearsal that was killed has left running, and removes its folder. */
async function clear(folder: string, log: Log): Promise<void> {
  const layout = layOut(folder);
  if (statIfPresent(layout.cluster)) {
    const cluster = openClusterFolder(layout.cluster, chooseAccount(layout), log);
    try {
      await clearTheWay(cluster, log);
    } finally {
      cluster.close();
    }
  }
  await rm(folder, { recursive: true, force: true });
}

async function inScratchDatabase(parts: RehearseParts, work: (db: Database) => Promise<void>): Promise<void> {
  const folder = join(parts.dataDir, "rehearsal");
  const release = takeTurn(parts.dataDir);
  try {
    await clear(folder, parts.log);
    const runtime = runtimePlaces(layOut(parts.dataDir));
    const server = await startEmbeddedPostgres({ dataDir: folder, log: parts.log, runtime });
    const { path, user, database } = server.connection;
    const client = connect({ path, user, database, applicationName: "trailglass rehearsal" }, 2);
    try {
      await work(client.db);
    } finally {
      await client.close(1);
      await server.stop();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
    release();
  }
}

/**
 * Restores a backup into a database of its own, made for this and removed afterwards, and compares all rows with what was
 * backed up. Notes beside the backup that it has been proven.
 * @throws BackupError damaged, when it would not have been restored as it was; EmbeddedPostgresError
 */
export async function rehearse(parts: RehearseParts): Promise<RehearsalReport> {
  const began = performance.now();
  const { manifest, files } = parts;
  requireKnownSchema(manifest);
  const missing = await chooseWhole({ ...parts, salvage: false });
  await inScratchDatabase(parts, (db) => restoreHere(db, parts, missing));
  await writeProof(files, manifest.id, "proven");
  return {
    id: manifest.id,
    rows: manifest.tables.reduce((sum, { rows }) => sum + rows, 0),
    pictures: manifest.objects.length,
    seconds: Math.round((performance.now() - began) / 100) / 10,
  };
}
