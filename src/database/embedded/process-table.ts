import { readdirSync, readFileSync, statSync } from "node:fs";
import type { ClusterFolder } from "./cluster-folder.ts";

/** Marks the postmaster's command line with the server process that started it. */
export const SERVER_PID_SETTING = "trailglass.server_pid";

/** A living process at the top of a cluster: a postmaster, or a backend that has outlived its postmaster. */
export interface ClusterHead {
  readonly pid: number;
  readonly parentPid: number;
  /** The server process that started it, known of postmasters only. */
  readonly serverPid: number | undefined;
}

/** Finds what runs in a cluster's folder, the children of a living postmaster left out. */
export function clusterHeads(folder: ClusterFolder): ClusterHead[] {
  const processes = processIds().flatMap((pid) => inspect(pid, folder));
  const pids = new Set(processes.map((process) => process.pid));
  return processes.filter((process) => !pids.has(process.parentPid));
}

/** Of all processes that run now, as far as this one may see them. */
export function processIds(): string[] {
  return readdirSync("/proc").filter((entry) => /^\d+$/.test(entry));
}

function inspect(pid: string, folder: ClusterFolder): ClusterHead[] {
  try {
    const args = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    const isPostmaster = args.includes(`cluster_name=${folder.name}`);
    if (!isPostmaster && !args[0]?.startsWith(`postgres: ${folder.name}: `)) return [];
    // Anybody can call a process so; the cluster's own user and root are the ones to believe.
    if (![folder.uid, 0].includes(statSync(`/proc/${pid}`).uid)) return [];
    const server = args.find((arg) => arg.startsWith(`${SERVER_PID_SETTING}=`))?.split("=")[1];
    return [{ pid: Number(pid), parentPid: parentOf(pid), serverPid: server ? Number(server) : undefined }];
  } catch {
    return []; // It ended while we looked.
  }
}

// The program's name, in parentheses, may itself hold blanks and parentheses: count from the last one.
function parentOf(pid: string): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
}

/** True when a process of this number exists, whoever owns it. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}
