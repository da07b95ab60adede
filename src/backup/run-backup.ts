import { DatabaseUnavailableError } from "../database/open.ts";
import { isTransient } from "../database/sqlstate.ts";
import { StorageAwayError } from "../storage/inspection.ts";
import { type CopyReport, copySnapshot } from "./copy-snapshot.ts";
import { type CreateParts, createBackup } from "./create.ts";
import { BackupError } from "./error.ts";
import type { BackupFiles } from "./files.ts";
import type { KeepPolicy } from "./keep.ts";
import { listSnapshots, type Manifest } from "./manifest.ts";
import { type PruneReport, prune } from "./prune.ts";

export interface RunParts extends CreateParts {
  readonly policy: KeepPolicy;
  /** Where every backup is copied to, if anywhere. */
  readonly second: BackupFiles | null;
}

export interface SecondReport {
  readonly copied: CopyReport;
  readonly pruned: PruneReport;
}

export interface RunReport {
  readonly manifest: Manifest;
  readonly pruned: PruneReport;
  /** Null where no second place is configured, and when it failed. */
  readonly second: SecondReport | null;
  /** Why there is no second copy, where there should be one: the backup itself is there all the same. */
  readonly secondFailure: Error | null;
  readonly seconds: number;
}

/** Tells a database that went away from other failures. @throws DatabaseUnavailableError, or what the work throws */
export async function whileDatabaseAnswers<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const isOfPlace = error instanceof BackupError || error instanceof StorageAwayError;
    if (isOfPlace || !isTransient(error)) throw error;
    throw new DatabaseUnavailableError("The database went away; no backup was made. Try again", {
      cause: error,
    });
  }
}

/** Brings what the second place does not have: also the backups of nights when it was away. */
async function copyMissing({ files, progress }: RunParts, second: BackupFiles): Promise<CopyReport> {
  const there = new Set(await listSnapshots(second));
  const missing = (await listSnapshots(files)).filter((id) => !there.has(id));
  const sum = { files: 0, bytes: 0 };
  for (const id of missing) {
    const copied = await copySnapshot(files, second, id, progress);
    sum.files += copied.files;
    sum.bytes += copied.bytes;
  }
  return sum;
}

async function copyOver(
  parts: RunParts,
  second: BackupFiles,
): Promise<Pick<RunReport, "second" | "secondFailure">> {
  try {
    const copied = await copyMissing(parts, second);
    return { second: { copied, pruned: await prune(second, parts.policy) }, secondFailure: null };
  } catch (error) {
    return { second: null, secondFailure: error as Error };
  }
}

/**
 * Makes a backup as it is made every night. Every file is read again as it is written, and only when all are there do
 * older backups go, as the policy has it; then it is copied to the second place.
 * @throws BackupError (busy when another one is being made), StorageAwayError, DatabaseUnavailableError; the backups made
 * before are as they were
 */
export async function runBackup(parts: RunParts): Promise<RunReport> {
  const began = performance.now();
  const unlock = await parts.files.lock();
  try {
    const manifest = await whileDatabaseAnswers(() => createBackup(parts));
    const pruned = await prune(parts.files, parts.policy);
    const none = { second: null, secondFailure: null };
    const copied = parts.second ? await copyOver(parts, parts.second) : none;
    return { manifest, pruned, ...copied, seconds: Math.round((performance.now() - began) / 100) / 10 };
  } finally {
    await unlock();
  }
}
