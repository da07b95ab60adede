import { readFileSync } from "node:fs";
import { createArchive } from "../../src/backup/create-archive.ts";
import { InterruptibleFiles } from "../../src/backup/interruptible-files.ts";
import { isComplete, type Manifest } from "../../src/backup/manifest.ts";
import { keepPolicy, openPlaceOf, openSecond, sealingWish } from "../../src/backup/places.ts";
import type { BackupProgress } from "../../src/backup/progress.ts";
import { type RunReport, runBackup, whileDatabaseAnswers } from "../../src/backup/run-backup.ts";
import type { SealingWish } from "../../src/backup/sealing.ts";
import { sizeOf } from "../../src/backup/status.ts";
import type { Config } from "../../src/config/config.ts";
import type { Context } from "../../src/context.ts";
import { findEnvFile } from "../environment.ts";
import { count, inWords } from "../progress-bar.ts";
import { CommandError, type GlobalOptions, UsageError, withContext } from "../with-context.ts";
import { passphraseOf } from "./key.ts";
import { withBackupProgress } from "./progress.ts";

export interface CreateOptions extends GlobalOptions {
  dir?: string;
  archive?: string;
  force?: boolean;
  withEnv?: boolean;
  passphraseFile?: string;
  recipient?: string;
  json?: boolean;
}

/** What was made, and where. */
interface Outcome extends Omit<RunReport, "pruned"> {
  readonly place: string;
  readonly pruned: RunReport["pruned"] | null;
}

/** The options go before the configuration. */
function wishOf(config: Config, options: CreateOptions): SealingWish {
  if (options.recipient !== undefined) return { recipient: options.recipient };
  if (options.passphraseFile !== undefined) return { passphrase: passphraseOf(config, options) };
  return sealingWish(config);
}

function readEnv({ config, withEnv }: CreateOptions): string | undefined {
  if (!withEnv) return undefined;
  const path = findEnvFile(config);
  if (path === null)
    throw new CommandError(
      "There is no env file: the settings come from the environment. Leave out --with-env.",
    );
  return readFileSync(path, "utf8");
}

function requireSense(options: CreateOptions): void {
  if (options.force && options.archive === undefined)
    throw new UsageError("--force goes with --archive only");
  if (options.dir !== undefined && options.archive !== undefined)
    throw new UsageError("--dir and --archive exclude each other");
  if (options.recipient !== undefined && options.passphraseFile !== undefined)
    throw new UsageError("--recipient and --passphrase-file exclude each other");
}

async function make(
  { config, db, storage }: Context,
  options: CreateOptions,
  progress: BackupProgress,
  signal: AbortSignal,
): Promise<Outcome> {
  const parts = { db, storage, sealing: wishOf(config, options), env: readEnv(options), progress };
  const { archive: path, force = false } = options;
  if (path !== undefined) {
    const began = performance.now();
    const manifest = await whileDatabaseAnswers(() => createArchive({ ...parts, signal }, { path, force }));
    const seconds = Math.round((performance.now() - began) / 100) / 10;
    return { place: path, manifest, pruned: null, second: null, secondFailure: null, seconds };
  }
  const first = await openPlaceOf(config, options);
  const second = await openSecond(config);
  try {
    const files = new InterruptibleFiles(first, signal);
    const other = second && new InterruptibleFiles(second, signal);
    const report = await runBackup({ ...parts, files, second: other, policy: keepPolicy(config) });
    return { place: first.place, ...report };
  } finally {
    await second?.close();
    await first.close();
  }
}

const rowsOf = ({ tables }: Manifest) => tables.reduce((sum, { rows }) => sum + rows, 0);
const lost = ({ missing }: Manifest) => missing.filter(({ reason }) => reason !== "erased");

function printText({ manifest, place, pruned, second, seconds }: Outcome): void {
  const size = inWords(sizeOf(manifest));
  const content = `${count(rowsOf(manifest), "row")} and ${count(manifest.objects.length, "picture")} (${size})`;
  const sealed = manifest.encryption ? ", encrypted" : "";
  console.log(`Backup ${manifest.id} in ${place}: ${content}${sealed}, in ${seconds} s.`);
  if (second) console.log(`Copied to the second place: ${inWords(second.copied.bytes)}.`);
  const gone = pruned?.removed ?? [];
  if (gone.length > 0) console.log(`Older backups that went: ${gone.join(", ")}.`);
  for (const id of pruned?.unreadable ?? [])
    console.error(`Warning: the backup ${id} cannot be read; while it is there, no picture is removed.`);
  for (const { key, reason } of lost(manifest)) console.log(`${reason.padEnd(8)}  ${key}`);
}

function printJson({ manifest, place, pruned, second, secondFailure, seconds }: Outcome): void {
  const { id, createdAt, encryption, objects, missing } = manifest;
  const report = {
    id,
    createdAt,
    place,
    complete: isComplete(manifest),
    encrypted: encryption !== null,
    rows: rowsOf(manifest),
    pictures: objects.length,
    bytes: sizeOf(manifest),
    missing,
    removed: pruned?.removed ?? [],
    secondCopy: second && { bytes: second.copied.bytes, removed: second.pruned.removed },
    secondFailure: secondFailure?.message ?? null,
    seconds,
  };
  console.log(JSON.stringify(report, null, 2));
}

/**
 * `trailglass backup create`: also beside a running server. Exit code 1 when the backup is there, but lacks something;
 * that of the failure when there is no second copy.
 */
export async function backupCreate(options: CreateOptions): Promise<void> {
  requireSense(options);
  const quiet = options.json ?? false;
  const outcome = await withContext(
    options,
    (context) => withBackupProgress(quiet, (progress, signal) => make(context, options, progress, signal)),
    { schema: "none" },
  );
  if (quiet) printJson(outcome);
  else printText(outcome);
  const { manifest, secondFailure } = outcome;
  if (manifest.env && !manifest.encryption)
    console.error("Warning: the env file is in the backup in clear, with all its secrets.");
  if (secondFailure) {
    console.error("The backup is there, but not its second copy.");
    throw secondFailure;
  }
  const missing = lost(manifest).length;
  if (missing === 0) return;
  throw new CommandError(
    `The backup is kept, but ${count(missing, "picture")} it should have cannot be read. To see whose, run: trailglass storage check`,
  );
}
