import { BackupError } from "../../src/backup/error.ts";
import type { BackupFiles } from "../../src/backup/files.ts";
import { InterruptibleFiles } from "../../src/backup/interruptible-files.ts";
import { chooseSnapshot, type Manifest, readManifest } from "../../src/backup/manifest.ts";
import { openFirst, openPlaceOf, type PlaceWish } from "../../src/backup/places.ts";
import type { BackupProgress } from "../../src/backup/progress.ts";
import type { RehearsalReport } from "../../src/backup/rehearse.ts";
import { writeProof } from "../../src/backup/status.ts";
import {
  isKeyWhole,
  removeDamaged,
  type VerifyReport,
  verifyAll,
  verifySnapshot,
} from "../../src/backup/verify.ts";
import type { Config } from "../../src/config/config.ts";
import { createLog } from "../../src/log.ts";
import { loadConfig } from "../environment.ts";
import { count, inWords } from "../progress-bar.ts";
import { CommandError, type GlobalOptions, UsageError } from "../with-context.ts";
import { type KeyWish, passphraseOf, readKey } from "./key.ts";
import { withBackupProgress } from "./progress.ts";

export interface VerifyCommandOptions extends GlobalOptions, PlaceWish, KeyWish {
  all?: boolean;
  repair?: boolean;
  rehearse?: boolean;
  json?: boolean;
}

interface Outcome {
  readonly reports: readonly VerifyReport[];
  /** Damaged pictures that were removed. */
  readonly removed: readonly string[];
  readonly rehearsal: RehearsalReport | null;
}

/** What opens the backup; null when there is nothing to open it with, and only the files can be compared. */
async function findKey(
  files: BackupFiles,
  manifest: Manifest,
  config: Config,
  options: VerifyCommandOptions,
): Promise<string | null> {
  const { encryption } = manifest;
  const isGiven =
    options.identity !== undefined ||
    (encryption?.kind === "passphrase" && passphraseOf(config, options) !== undefined);
  if (!isGiven || (options.identity === undefined && !(await isKeyWhole(files, manifest)))) return null;
  return readKey(files, manifest, config, options);
}

/** Null when it cannot be read, which is a finding. */
async function readOrNull(files: BackupFiles, id: string): Promise<Manifest | null> {
  try {
    return await readManifest(files, id);
  } catch (error) {
    if (error instanceof BackupError && error.problem === "damaged") return null;
    throw error;
  }
}

async function note(files: BackupFiles, reports: readonly VerifyReport[]): Promise<void> {
  try {
    for (const { id, findings } of reports)
      if (findings.length === 0) await writeProof(files, id, "verified");
  } catch (error) {
    if (!(error instanceof BackupError)) throw error;
    console.error(`Warning: that it was verified could not be noted: ${error.message}`);
  }
}

async function repair(
  files: BackupFiles,
  reports: readonly VerifyReport[],
  config: Config,
  { s3 }: VerifyCommandOptions,
): Promise<string[]> {
  // A bucket has no lock of its own: it is written to under the first place's.
  const unlock = await (s3 ? openFirst(config) : files).lock();
  try {
    return await removeDamaged(
      files,
      reports.flatMap(({ findings }) => findings),
    );
  } finally {
    await unlock();
  }
}

async function tryRestore(
  files: BackupFiles,
  manifest: Manifest | null,
  key: string | null,
  { dataDir }: Config,
  progress: BackupProgress,
): Promise<RehearsalReport | null> {
  if (manifest === null) return null;
  if (manifest.encryption && key === null)
    throw new BackupError(
      "sealed",
      "To try a restore, the backup has to be opened: give its passphrase or key",
    );
  const { rehearse } = await import("../../src/backup/rehearse.ts");
  const log = createLog({
    level: "warn",
    format: "pretty",
    destination: { write: (line) => process.stderr.write(line) },
  });
  return rehearse({ files, manifest, key, progress, dataDir, log });
}

async function look(
  files: BackupFiles,
  id: string,
  config: Config,
  options: VerifyCommandOptions,
  progress: BackupProgress,
): Promise<Outcome> {
  const manifest = await readOrNull(files, id);
  const key = manifest && (await findKey(files, manifest, config, options));
  const reports = options.all
    ? await verifyAll(files, { key, progress })
    : [await verifySnapshot(files, id, { key, progress })];
  await note(files, reports);
  const removed = options.repair ? await repair(files, reports, config, options) : [];
  const isWhole = reports.every(({ findings }) => findings.length === 0);
  const rehearsal =
    options.rehearse && isWhole ? await tryRestore(files, manifest, key, config, progress) : null;
  return { reports, removed, rehearsal };
}

function print({ reports, removed, rehearsal }: Outcome, { place }: BackupFiles): void {
  for (const { id, findings, objects, bytes, readSealed } of reports) {
    for (const { name, kind, detail } of findings) console.log(`${kind.padEnd(8)}  ${name}  (${detail})`);
    const sealed = readSealed ? "" : "; without its key, nothing was decrypted";
    const verdict = findings.length === 0 ? "whole" : count(findings.length, "finding");
    console.log(`${id} in ${place}: ${verdict} (${count(objects, "picture")}, ${inWords(bytes)}${sealed}).`);
  }
  if (removed.length > 0)
    console.log(`Removed ${count(removed.length, "damaged picture")}: the next backup copies them anew.`);
  if (rehearsal)
    console.log(`Restored on trial, and all ${count(rehearsal.rows, "row")} are as they were: proven.`);
}

/** `trailglass backup verify [id]`: the newest when none is named. Exit code 1 when something is damaged. */
export async function backupVerify(id: string | undefined, options: VerifyCommandOptions): Promise<void> {
  if (id !== undefined && options.all) throw new UsageError("Name one backup, or give --all");
  const config = loadConfig(options.config);
  const place = await openPlaceOf(config, options);
  try {
    const chosen = await chooseSnapshot(place, id);
    const outcome = await withBackupProgress(options.json ?? false, (progress, signal) =>
      look(new InterruptibleFiles(place, signal), chosen, config, options, progress),
    );
    if (options.json) console.log(JSON.stringify(outcome, null, 2));
    else print(outcome, place);
    const findings = outcome.reports.reduce((sum, report) => sum + report.findings.length, 0);
    if (findings > 0)
      throw new CommandError(`${count(findings, "file")} of the backups cannot be relied on.`);
  } finally {
    await place.close();
  }
}
