import { writeFileSync } from "node:fs";
import { BackupError } from "../../src/backup/error.ts";
import type { Source } from "../../src/backup/load.ts";
import { chooseSnapshot, type Manifest, readManifest } from "../../src/backup/manifest.ts";
import { openPlaceOf, type PlaceWish } from "../../src/backup/places.ts";
import { readEnv } from "../../src/backup/read-snapshot.ts";
import { type RestoreReport, restoreBackup, restoringName } from "../../src/backup/restore.ts";
import { restoreAccount } from "../../src/backup/restore-account.ts";
import type { Config } from "../../src/config/config.ts";
import { openDatabase } from "../../src/database/open.ts";
import { createLog } from "../../src/log.ts";
import { openStorage } from "../../src/storage/open-storage.ts";
import { loadConfig } from "../environment.ts";
import { count } from "../progress-bar.ts";
import { isInteractive } from "../terminal.ts";
import { CommandError, type GlobalOptions } from "../with-context.ts";
import { type KeyWish, readKey } from "./key.ts";
import { withBackupProgress } from "./progress.ts";

interface RestoreOptions extends GlobalOptions, PlaceWish, KeyWish {
  user?: string;
  replace?: boolean;
  salvage?: boolean;
  envTo?: string;
  yes?: boolean;
  json?: boolean;
}

const log = () =>
  createLog({
    level: "warn",
    format: "pretty",
    destination: { write: (line) => process.stderr.write(line) },
  });

/** Everything is replaced: the server must not run, and its embedded database is started here. */
async function restoreAll(config: Config, options: RestoreOptions, source: Source): Promise<RestoreReport> {
  const database = await openDatabase(config, log(), {
    waitSeconds: 5,
    onFatal: () => {},
    joinsRunning: false,
    applicationName: restoringName(),
  });
  try {
    return await restoreBackup({
      ...source,
      database,
      openStorage: (db) => openStorage(config, db),
      replace: options.replace ?? false,
      salvage: options.salvage ?? false,
    });
  } finally {
    await database.close();
  }
}

/** One account: the server may run. */
async function restoreOne(config: Config, options: RestoreOptions, source: Source): Promise<RestoreReport> {
  const database = await openDatabase(config, log(), {
    waitSeconds: 5,
    onFatal: () => {},
    joinsRunning: true,
  });
  const storage = await openStorage(config, database.db);
  try {
    return await restoreAccount({
      ...source,
      database,
      storage,
      email: options.user ?? "",
      replace: options.replace ?? false,
      salvage: options.salvage ?? false,
    });
  } finally {
    await storage.close();
    await database.close();
  }
}

/** What is replaced cannot be had back. */
async function confirm({ id, createdAt }: Manifest, options: RestoreOptions): Promise<void> {
  if (!options.replace || options.yes) return;
  if (!isInteractive()) throw new CommandError("--replace needs --yes where there is no terminal to ask at.");
  const { confirm: ask, isCancel } = await import("@clack/prompts");
  const what = options.user === undefined ? "everything in the database" : `the account ${options.user}`;
  const message = `Replace ${what} with the backup ${id}, made ${createdAt}?`;
  const answer = await ask({ message, initialValue: false });
  if (isCancel(answer) || !answer) throw new CommandError("Nothing was changed.");
}

async function writeEnv(source: Source, path: string): Promise<void> {
  const text = await readEnv(source.files, source.manifest, source.key);
  if (text === null) throw new BackupError("refused", `The backup ${source.manifest.id} holds no env file`);
  try {
    writeFileSync(path, text, { flag: "wx", mode: 0o600 });
  } catch (error) {
    const { code } = error as { code?: string };
    throw new CommandError(
      code === "EEXIST" ? `${path} is there already` : `${path} cannot be written (${code})`,
    );
  }
  console.log(`Wrote the env file to ${path}.`);
}

function tell(report: RestoreReport, { manifest }: Source, options: RestoreOptions): void {
  if (options.json) {
    console.log(JSON.stringify({ ...report, createdAt: manifest.createdAt }));
    return;
  }
  const { accounts, rows, pictures, missing } = report;
  const what = options.user ?? count(accounts, "account");
  console.log(
    `Restored ${what} as of ${manifest.createdAt}: ${count(rows, "row")}, ${count(pictures, "picture")}.`,
  );
  if (missing > 0)
    console.log(`${count(missing, "picture")} could not be restored: the backup does not have them.`);
  console.log("Phones keep what they have that is newer, and send it again with its next change.");
  if (options.user === undefined) console.log("Now start the server.");
}

/** `trailglass restore [id]`: brings back everything, or one account, from a backup. */
export async function restore(id: string | undefined, options: RestoreOptions): Promise<void> {
  const config = loadConfig(options.config);
  const files = await openPlaceOf(config, options);
  try {
    const manifest = await readManifest(files, await chooseSnapshot(files, id));
    const key = await readKey(files, manifest, config, options);
    const source: Source = { files, manifest, key };
    if (options.envTo !== undefined) return await writeEnv(source, options.envTo);
    await confirm(manifest, options);
    const run = options.user === undefined ? restoreAll : restoreOne;
    const report = await withBackupProgress(options.json ?? false, (progress) =>
      run(config, options, { ...source, progress }),
    );
    tell(report, source, options);
  } finally {
    await files.close();
  }
}
