import { join } from "node:path";
import { InterruptedError } from "../with-context.ts";
import { makeFolder } from "./checks/folder.ts";
import { prepareAsService } from "./database-step.ts";
import { writeWhole } from "./files.ts";
import type { Plan } from "./plan.ts";
import type { Prepared } from "./prepare-database.ts";
import { writeReadyFile } from "./ready-files.ts";
import type { Reporter } from "./reporter.ts";
import { installsService, startService, unitFile } from "./service.ts";
import { passphraseFile } from "./settings.ts";

/** What came of it. */
export interface Outcome {
  readonly prepared: Prepared;
  /** Path of the file for the chosen way in. */
  readonly readyFile: string | undefined;
  readonly isRunning: boolean;
}

const secret = 0o600;

function makeFolders({ config, answers, machine }: Plan): void {
  makeFolder(config.dataDir, machine.account);
  if (answers.backups !== "off")
    makeFolder(config.backupDir ?? join(config.dataDir, "backups"), machine.account);
}

/** A passphrase that there was still opens older backups. */
function writePassphrase({ passphrase, machine }: Plan): void {
  if (passphrase === undefined) return;
  const path = passphraseFile(machine);
  const old = `${path}.until-${new Date().toISOString().replace(/[:.]/g, "-")}`;
  writeWhole(path, `${passphrase}\n`, { mode: secret, owner: machine.account, old });
}

/** The folder of the env file, which the server has to get into. */
function writeSettings({ text, machine }: Plan): void {
  const { envFile, account } = machine;
  writeWhole(envFile, text, { mode: secret, owner: account, old: `${envFile}.old` });
}

/** Between two steps nothing is half-done, and another setup does what is left. @throws InterruptedError */
function requireGoOn(signal: AbortSignal, { machine }: Plan): void {
  if (!signal.aborted) return;
  throw new InterruptedError(
    `Stopped half-way; what is done is whole. Run "trailglass setup" again to finish, or delete ${machine.envFile} to begin anew.`,
  );
}

/**
 * Does what was planned, in an order in which nothing refers to what is not there yet.
 * @param signal ends it after the step under way
 * @throws InterruptedError, CommandError, DatabaseUnavailableError
 */
export async function apply(plan: Plan, signal: AbortSignal, report: Reporter): Promise<Outcome> {
  const { machine, answers } = plan;
  makeFolders(plan);
  requireGoOn(signal, plan);
  writePassphrase(plan);
  requireGoOn(signal, plan);
  writeSettings(plan);
  report.done(`Settings are in ${machine.envFile}`);
  requireGoOn(signal, plan);
  const readyFile = writeReadyFile(plan);
  requireGoOn(signal, plan);
  const prepared = await prepareAsService(plan);
  report.done("The database is ready");
  if (prepared.account === "made") report.done(`The account ${answers.email} is made`);
  if (prepared.account === "there")
    report.warn(`There is an account ${answers.email} already; its password stays as it was.`);
  requireGoOn(signal, plan);
  const isRunning = installsService(machine);
  if (isRunning) {
    await startService(plan);
    report.done(`The server runs, now and after every start of this machine (${unitFile})`);
  }
  return { prepared, readyFile, isRunning };
}
