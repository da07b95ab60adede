import { join } from "node:path";
import { ailment, localAddress } from "../healthcheck.ts";
import type { Outcome } from "./apply.ts";
import type { Plan } from "./plan.ts";
import { renderQrCode } from "./qr-code.ts";
import type { Reporter } from "./reporter.ts";
import { passphraseFile } from "./settings.ts";

const shellWord = (text: string) =>
  /^[\w./:@%+,=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;

/** How a command of this program is typed, with this env file. */
export function commandLine({ machine }: Plan, ...words: readonly string[]): string {
  const { program, envFile, account, isRoot } = machine;
  const isUsual = envFile === "/etc/trailglass/trailglass.env";
  // By its name, where the shell finds it by that.
  const short = program.length === 1 && Bun.which("trailglass") === program[0] ? ["trailglass"] : program;
  const command = [...short, ...words, ...(isUsual ? [] : ["--config", envFile])].map(shellWord).join(" ");
  return isRoot && account && words[0] === "serve" ? `runuser -u ${account.name} -- ${command}` : command;
}

function places(plan: Plan, { readyFile }: Outcome): string[] {
  const { config, answers, machine, passphrase } = plan;
  const backups =
    answers.backups === "off" ? [] : [`backups     ${config.backupDir ?? join(config.dataDir, "backups")}`];
  return [
    `settings    ${machine.envFile}`,
    `data        ${config.dataDir}`,
    ...backups,
    ...(passphrase === undefined ? [] : [`passphrase  ${passphraseFile(machine)}`]),
    ...(readyFile === undefined ? [] : [`${`${answers.reach}`.padEnd(12)}${readyFile}`]),
  ];
}

function nextSteps(plan: Plan, { isRunning, readyFile, prepared }: Outcome, runs: boolean): string[] {
  const { config, machine } = plan;
  const start = runs
    ? "Restart the server: its settings changed."
    : `Start the server: ${commandLine(plan, "serve")}`;
  const steps = [
    isRunning ? undefined : start,
    !isRunning && !runs && !machine.hasSystemd
      ? "Let your system start it, too, when this machine starts."
      : undefined,
    readyFile && `Follow the first lines of ${readyFile}`,
    plan.passphrase === undefined
      ? undefined
      : "Copy the passphrase of the backups to another place, such as a password manager. Without it they are worth nothing.",
    prepared.hasAccounts
      ? undefined
      : `Make an account: ${commandLine(plan, "create-user", "you@example.org")}`,
    prepared.hasAccounts && config.publicUrl
      ? "On the phone, enter the address below, or scan it."
      : undefined,
  ].filter((step) => step !== undefined && step !== "");
  return steps.map((step, at) => `${at + 1}. ${step}`);
}

const unclaimed =
  "There is no account yet, and the first to come may register, whoever that is. Make yours before others can reach this server.";

/** Says what was written where, what remains to be done, and shows the address for the phone. */
export async function summarise(plan: Plan, outcome: Outcome, report: Reporter): Promise<void> {
  const runs = (await ailment(localAddress(plan.config))) === null;
  report.note("What is where", places(plan, outcome));
  if (!outcome.prepared.hasAccounts) report.warn(unclaimed);
  const steps = nextSteps(plan, outcome, runs);
  if (steps.length > 0) report.note("What is left", steps);
  const { publicUrl } = plan.config;
  if (publicUrl) report.picture([...renderQrCode(publicUrl)]);
  report.end(publicUrl ?? `Listens on ${localAddress(plan.config)}, this machine only`);
}
