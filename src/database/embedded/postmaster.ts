import type { ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import type { Account } from "./account.ts";
import { FOLDER_IN_CHILD, spawnPostgres } from "./child.ts";
import type { ClusterFolder } from "./cluster-folder.ts";
import { explainFailure } from "./error.ts";
import { type EmbeddedLog, PostgresLogSink } from "./log.ts";
import { SERVER_PID_SETTING } from "./process-table.ts";
import type { PostgresRuntime } from "./runtime.ts";
import { settingArguments } from "./settings.ts";

/** A running postmaster. */
export interface Postmaster {
  readonly pid: number;
  /** Fulfilled at its end, with what is known of it, for the log. */
  readonly ended: Promise<string>;
  /** Fast shutdown: open transactions are rolled back, everything is written out. Force only after the deadline. */
  stop(): Promise<void>;
}

export interface PostmasterOptions {
  readonly runtime: PostgresRuntime;
  readonly folder: ClusterFolder;
  readonly account: Account;
  readonly log: EmbeddedLog;
}

/** How long a shutdown may take: writing 64 MB to a slow SD card, several times over. */
const STOP_DEADLINE_MS = 60_000;
const QUIT_DEADLINE_MS = 5_000;

/** Between two looks whether it is ready. */
const POLL_MS = 5;

/**
 * Starts a postmaster and waits until it accepts connections. As recovery after a power cut may take minutes, only its
 * end or `abort` ends the waiting.
 * @throws EmbeddedPostgresError start_failed, not_writable, disk_full
 */
export async function launchPostmaster(options: PostmasterOptions, abort: AbortSignal): Promise<Postmaster> {
  const sink = new PostgresLogSink(options.log);
  const child = spawnPostmaster(options);
  const ended = endOf(child);
  const lines = readLines(child, sink);
  const interrupt = () => child.kill("SIGINT");
  abort.addEventListener("abort", interrupt);
  const early = await Promise.race([ended, untilReady(child, options.folder, ended)]);
  abort.removeEventListener("abort", interrupt);
  if (early === undefined && child.pid) return { pid: child.pid, ended, stop: () => stop(child, ended) };
  await Promise.race([lines, sleep(200)]);
  const reason = sink.lastComplaint || early;
  throw explainFailure(
    `The embedded Postgres in ${options.folder.path} did not start`,
    reason,
    "start_failed",
  );
}

function spawnPostmaster({ runtime, folder, account }: PostmasterOptions): ChildProcess {
  const settings = settingArguments({ cluster_name: folder.name, [SERVER_PID_SETTING]: process.pid });
  const args = ["-D", FOLDER_IN_CHILD, ...settings];
  return spawnPostgres(join(runtime.binDir, "postgres"), args, { account, folder: folder.fd });
}

function readLines(child: ChildProcess, sink: PostgresLogSink): Promise<void> {
  if (!child.stderr) return Promise.resolve();
  const lines = createInterface({ input: child.stderr });
  lines.on("line", (line) => sink.write(line));
  return new Promise((resolve) => lines.once("close", resolve));
}

// "exit", not "close": backends that outlive a killed postmaster hold its stderr open.
function endOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("exit", (code, signal) => resolve(signal ? `killed by ${signal}` : `exit status ${code}`));
  });
}

// The postmaster keeps its state in the eighth line of postmaster.pid; looking there costs less than connecting.
async function untilReady(
  child: ChildProcess,
  folder: ClusterFolder,
  ended: Promise<string>,
): Promise<undefined> {
  let over = false;
  void ended.then(() => {
    over = true;
  });
  while (!over) {
    const lines = readIfPresent(join(folder.path, "postmaster.pid")).split("\n");
    if (Number(lines[0]) === child.pid && lines[7]?.startsWith("ready")) return undefined;
    await sleep(POLL_MS);
  }
  return undefined;
}

function readIfPresent(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

async function stop(child: ChildProcess, ended: Promise<string>): Promise<void> {
  for (const [signal, waitMs] of [
    ["SIGINT", STOP_DEADLINE_MS],
    ["SIGQUIT", QUIT_DEADLINE_MS],
  ] as const) {
    child.kill(signal);
    const timer = new AbortController();
    const inTime = await Promise.race([
      ended,
      sleep(waitMs, undefined, { signal: timer.signal }).catch(() => undefined),
    ]);
    timer.abort();
    if (inTime !== undefined) return;
  }
  child.kill("SIGKILL");
  await ended;
}
