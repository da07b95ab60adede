import { readFileSync, readlinkSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { ClusterFolder } from "./cluster-folder.ts";
import { EmbeddedPostgresError } from "./error.ts";
import type { EmbeddedLog } from "./log.ts";
import { type ClusterHead, clusterHeads, isAlive } from "./process-table.ts";

type Step = { readonly signal?: NodeJS.Signals; readonly waitMs: number };

/** To a whole Postgres: fast shutdown; then at once, leaving recovery to the next start; then by force. */
const END_POSTMASTER: readonly Step[] = [
  { signal: "SIGINT", waitMs: 30_000 },
  { signal: "SIGQUIT", waitMs: 5_000 },
  { signal: "SIGKILL", waitMs: 10_000 },
];

/** Backends notice their postmaster's death by themselves, except in the midst of a long computation. */
const END_BACKENDS: readonly Step[] = [
  { waitMs: 500 },
  { signal: "SIGQUIT", waitMs: 3_000 },
  { signal: "SIGKILL", waitMs: 10_000 },
];

/**
 * Makes sure that nothing runs in the cluster folder before a postmaster is started there: ends what a killed server or
 * a killed postmaster left behind. The caller holds the data folder's lock, so those have no living master.
 * @throws EmbeddedPostgresError in_use
 */
export async function clearTheWay(folder: ClusterFolder, log: EmbeddedLog): Promise<void> {
  const heads = clusterHeads(folder);
  for (const head of heads) refuseIfServed(head, folder);
  if (heads.length > 0) await end(heads, folder, log);
  removeMisleadingPidFile(folder);
}

// Only if somebody deleted the lock file under a running server: a child changes its parent when that one dies.
function refuseIfServed(head: ClusterHead, folder: ClusterFolder): void {
  if (head.serverPid !== head.parentPid || head.parentPid === process.pid) return;
  throw inUse(folder, `Another trailglass (pid ${head.parentPid})`);
}

async function end(heads: ClusterHead[], folder: ClusterFolder, log: EmbeddedLog): Promise<void> {
  const postmaster = heads.find((head) => head.serverPid !== undefined);
  if (postmaster) log.warn({ pid: postmaster.pid }, "stopping the Postgres that a killed server left behind");
  for (const step of postmaster ? END_POSTMASTER : END_BACKENDS) {
    for (const { pid } of step.signal ? clusterHeads(folder) : []) signal(pid, step.signal);
    if (await gone(folder, step.waitMs)) return;
  }
  throw inUse(folder, `A Postgres process that cannot be ended (pid ${clusterHeads(folder)[0]?.pid})`);
}

function signal(pid: number, name: NodeJS.Signals | undefined): void {
  try {
    process.kill(pid, name);
  } catch {
    // It ended by itself, or the wait that follows runs out and says so.
  }
}

async function gone(folder: ClusterFolder, waitMs: number): Promise<boolean> {
  const deadline = performance.now() + waitMs;
  while (clusterHeads(folder).length > 0) {
    if (performance.now() > deadline) return false;
    await sleep(20);
  }
  return true;
}

// After a power cut the number in a left-over postmaster.pid may belong to a process that has nothing to do with it;
// Postgres would refuse to start as long as that one lives. The socket's lock file has the same contents and fate.
function removeMisleadingPidFile(folder: ClusterFolder): void {
  const pid = recordedPid(join(folder.path, "postmaster.pid"));
  if (pid !== undefined && isAlive(pid)) {
    if (runsIn(pid, folder)) throw inUse(folder, `A Postgres that trailglass did not start (pid ${pid})`);
    rmSync(join(folder.path, "postmaster.pid"), { force: true });
  }
  const socketPid = recordedPid(join(folder.path, ".s.PGSQL.5432.lock"));
  if (socketPid !== undefined && isAlive(socketPid))
    rmSync(join(folder.path, ".s.PGSQL.5432.lock"), { force: true });
}

function recordedPid(file: string): number | undefined {
  try {
    return Number.parseInt(readFileSync(file, "utf8"), 10) || undefined;
  } catch {
    return undefined;
  }
}

// Where the working directory may not be read, a Postgres of the cluster's user is believed to be at work in it.
function runsIn(pid: number, folder: ClusterFolder): boolean {
  try {
    if (!/^postgres/.test(readFileSync(`/proc/${pid}/comm`, "utf8"))) return false;
    if (statSync(`/proc/${pid}`).uid !== folder.uid) return false;
  } catch {
    return false;
  }
  try {
    return readlinkSync(`/proc/${pid}/cwd`) === readlinkSync(`/proc/self/fd/${folder.fd}`);
  } catch {
    return true;
  }
}

function inUse(folder: ClusterFolder, who: string): EmbeddedPostgresError {
  return new EmbeddedPostgresError("in_use", `${who} is using ${folder.path}: stop it, then start again.`);
}
