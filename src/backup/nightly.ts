import type { Config } from "../config/config.ts";
import type { Database } from "../database/client.ts";
import type { Log } from "../log.ts";
import type { ObjectStorage } from "../storage/storage.ts";
import { BackupError } from "./error.ts";
import { isComplete } from "./manifest.ts";
import { keepPolicy, openFirst, openSecond, sealingWish } from "./places.ts";
import { type RunReport, runBackup } from "./run-backup.ts";
import { sizeOf } from "./status.ts";

export interface NightlyParts {
  readonly config: Config;
  readonly db: Database;
  readonly storage: ObjectStorage;
  readonly log: Log;
}

function tell(log: Log, { manifest, pruned, second, secondFailure, seconds }: RunReport): void {
  const { id, objects, missing } = manifest;
  const rows = manifest.tables.reduce((sum, table) => sum + table.rows, 0);
  const facts = { id, rows, pictures: objects.length, bytes: sizeOf(manifest), seconds };
  log.info({ ...facts, removed: pruned.removed.length }, "made a backup");
  if (!isComplete(manifest))
    log.error(
      { id, missing: missing.length },
      "the backup lacks pictures that cannot be read; to see whose, run: trailglass storage check",
    );
  for (const unreadable of pruned.unreadable)
    log.warn({ id: unreadable }, "a backup cannot be read; while it is there, no picture is removed");
  if (second) log.info({ id, bytes: second.copied.bytes }, "copied the backup to the second place");
  if (secondFailure)
    log.error({ err: secondFailure }, `the backup has no second copy: ${secondFailure.message}`);
}

/**
 * Makes the backup of the night, and logs what became of it. While another one is being made, none is.
 * @throws what made it impossible, in words for an administrator where that was foreseen
 */
export async function makeNightlyBackup({ config, db, storage, log }: NightlyParts): Promise<void> {
  const files = openFirst(config);
  const second = await openSecond(config);
  const policy = keepPolicy(config);
  try {
    tell(log, await runBackup({ db, storage, files, second, policy, sealing: sealingWish(config) }));
  } catch (error) {
    if (error instanceof BackupError && error.problem === "busy")
      log.warn({ place: files.place }, "no backup was made: another one is being made");
    else {
      log.error({ err: error }, `no backup was made: ${(error as Error).message}`);
      throw error;
    }
  } finally {
    await second?.close();
  }
}
