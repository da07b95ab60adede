import { join, resolve } from "node:path";
import { isInteractive } from "../terminal.ts";
import { CommandError, type GlobalOptions } from "../with-context.ts";
import { apply } from "./apply.ts";
import { examineClock } from "./checks/clock.ts";
import { barrier } from "./checks/folder.ts";
import { openDialogue, untilBrokenOff } from "./dialogue.ts";
import { type Given, readFlags } from "./flags.ts";
import { ask, assume, examineAll } from "./gather.ts";
import { findAccount, hasSystemd, type Machine, readAddresses } from "./machine.ts";
import { makePlan, type Plan } from "./plan.ts";
import { readPresent } from "./present.ts";
import type { Answers } from "./question.ts";
import { openReporter, type Reporter } from "./reporter.ts";
import { questions } from "./sections.ts";
import { ensureAccount } from "./service.ts";
import { summarise } from "./summary.ts";

export interface SetupOptions extends GlobalOptions {
  /** Takes defaults for what no flag answers. */
  yes?: boolean;
  /** Installs and starts a service where that is possible. */
  service?: boolean;
}

const installed = { envFile: "/etc/trailglass/trailglass.env", dataDir: "/var/lib/trailglass" };

/** This same program, from its sources or as one executable. */
const program = Bun.isStandaloneExecutable
  ? [process.execPath]
  : [process.execPath, join(import.meta.dir, "../main.ts")];

/** Looks at the place that setup runs in. @throws ConfigError when there is an env file that cannot be read */
function examineMachine(options: SetupOptions): Machine {
  const isRoot = process.geteuid?.() === 0;
  const named = options.config ?? process.env.TRAILGLASS_CONFIG;
  const envFile = resolve(named || (isRoot ? installed.envFile : "trailglass.env"));
  return {
    isRoot,
    isAsked: !options.yes && isInteractive(),
    account: isRoot ? findAccount() : null,
    hasSystemd: options.service !== false && hasSystemd(),
    usualDataDir: isRoot ? installed.dataDir : resolve("data"),
    ...readAddresses(),
    program,
    envFile,
    present: readPresent(envFile, questions),
  };
}

/** The server reads the env file itself. @throws CommandError */
function requireReachable({ account, envFile }: Machine): void {
  const closed = account && barrier(envFile, account);
  if (!closed) return;
  throw new CommandError(
    `The server will run as ${account.name}, who may not enter ${closed}. Run: chmod 755 ${closed}`,
  );
}

/** Answers that work, from whoever gives them. */
async function gather(
  given: Answers,
  machine: Machine,
  options: SetupOptions,
  signal: AbortSignal,
  report: Reporter,
): Promise<Answers> {
  if (machine.isAsked) return ask(given, machine, await openDialogue(signal));
  const answers = assume(given, machine, options.yes === true);
  const { warnings, notes } = await untilBrokenOff(examineAll(answers, machine), signal);
  for (const warning of warnings) report.warn(warning);
  for (const note of notes) report.done(note);
  return answers;
}

async function warnOfClock({ config }: Plan, signal: AbortSignal, report: Reporter): Promise<void> {
  for (const { message } of await untilBrokenOff(examineClock(config), signal)) report.warn(message);
}

/**
 * `trailglass setup`: asks, checks, then writes and starts everything. Until the last answer nothing is changed.
 * @throws UsageError, CommandError, ConfigError, InterruptedError, DatabaseUnavailableError
 */
export async function setup(flags: Given, options: SetupOptions): Promise<void> {
  const breaking = new AbortController();
  const { signal } = breaking;
  // A hang-up ends the process as it is: there is nowhere left to say anything, and no step does half of its work.
  for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, () => breaking.abort());
  // Folders above those of the server are for everybody to pass, however strict the person's own mask is.
  process.umask(0o022);
  const report = await openReporter();
  const given = await untilBrokenOff(readFlags(flags), signal);
  const machine = examineMachine(options);
  requireReachable(machine);
  report.begin();
  const answers = await gather(given, machine, options, signal, report);
  const planned = makePlan(answers, machine);
  await warnOfClock(planned, signal, report);
  const plan = { ...planned, machine: { ...machine, account: await ensureAccount(machine) } };
  const outcome = await apply(plan, signal, report);
  await summarise(plan, outcome, report);
}
