import {
  existsSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  type Stats,
  statfsSync,
  statSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { inWords } from "../../progress-bar.ts";
import type { Machine, ServiceAccount } from "../machine.ts";
import type { Problem } from "../question.ts";

/** Whether a user may do all that some permission bits (4 read, 2 write, 1 enter) stand for. */
export function permits(
  { uid, gid, mode }: Pick<Stats, "uid" | "gid" | "mode">,
  account: ServiceAccount,
  bits: number,
) {
  const shift = uid === account.uid ? 6 : account.groups.includes(gid) ? 3 : 0;
  return ((mode >> shift) & bits) === bits;
}

/** A path and all folders above it, from the top. */
function ancestors(path: string): string[] {
  const above = dirname(path);
  return above === path ? [path] : [...ancestors(above), path];
}

/** The part of a path that exists. */
function existingPart(path: string): string {
  return existsSync(path) ? path : existingPart(dirname(path));
}

/** The first folder above a path that an account may not enter. */
export function barrier(path: string, account: ServiceAccount): string | undefined {
  return ancestors(dirname(path)).find(
    (folder) => existsSync(folder) && !permits(statSync(folder), account, 1),
  );
}

/** Why nothing can be made in a folder; undefined where something can. A trial: root is told of no permissions. */
function hindrance(folder: string): string | undefined {
  try {
    rmdirSync(mkdtempSync(join(folder, ".trailglass-")));
    return undefined;
  } catch (error) {
    return (error as { code?: string }).code ?? "error";
  }
}

function examineAccess(path: string, { account }: Machine): Problem[] {
  const there = existingPart(path);
  if (!statSync(there).isDirectory()) return [{ message: `${there} is not a folder. Choose another place.` }];
  const code = hindrance(there);
  if (code !== undefined)
    return [{ message: `${there} is not writable (${code}). Choose another place, or run this with sudo.` }];
  const closed = account && barrier(path, account);
  if (!closed) return [];
  return [
    { message: `The server will run as ${account.name}, who may not enter ${closed}. Choose another place.` },
  ];
}

/** A note that the embedded database leaves: what lies beside it is ours. */
const marker = "postgres.initialised";

/** Whether a folder can be given to the user of the service: it is new, empty, or ours. */
const isOurs = (path: string) =>
  readdirSync(path).length === 0 ||
  existsSync(join(path, marker)) ||
  existsSync(join(path, "trailglass.lock"));

function examineOwner(path: string, { account }: Machine): Problem[] {
  if (!account || !existsSync(path) || permits(statSync(path), account, 7) || isOurs(path)) return [];
  return [
    {
      message: `${path} holds other things, and ${account.name}, whom the server will run as, may not write there. Choose another.`,
    },
  ];
}

/** Makes a folder that only its owner may enter, who is the user of the service where there is one. */
export function makeFolder(path: string, account: ServiceAccount | null): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  if (!existsSync(path)) mkdirSync(path, { mode: 0o700 });
  if (!account || permits(statSync(path), account, 7)) return;
  const inside = isOurs(path) ? readdirSync(path, { recursive: true }) : [];
  for (const entry of inside) lchownSync(join(path, String(entry)), account.uid, account.groups[0]);
  lchownSync(path, account.uid, account.groups[0]);
}

/** Options of the mount that a path lies on. Source: proc(5), /proc/self/mountinfo. */
function mountOptions(path: string): string[] {
  const mounts = readFileSync("/proc/self/mountinfo", "utf8")
    .trim()
    .split("\n")
    .map((line) => line.split(" "));
  const above = new Set(ancestors(path));
  const holding = mounts.filter(([, , , , point = ""]) => above.has(point.replaceAll("\\040", " ")));
  const nearest = holding.reduce(
    (best, next) => ((next[4]?.length ?? 0) >= (best[4]?.length ?? 0) ? next : best),
    [],
  );
  return nearest[5]?.split(",") ?? [];
}

export interface FolderNeeds {
  /** Bytes that have to be free. */
  readonly minimum: number;
  /** Whether programs are run from there. */
  readonly runsPrograms: boolean;
}

/** Whether a folder can be used, which is made when it is not there. Nothing is written. */
export function examineFolder(
  path: string,
  machine: Machine,
  { minimum, runsPrograms }: FolderNeeds,
): Problem[] {
  const problems = [...examineAccess(path, machine), ...examineOwner(path, machine)];
  if (problems.length > 0) return problems;
  const there = existingPart(path);
  const { bavail, bsize } = statfsSync(there);
  const free = bavail * bsize;
  if (free < minimum)
    problems.push({
      message: `Only ${inWords(free)} are free at ${there}, and ${inWords(minimum)} are needed to begin with.`,
      bearable: true,
    });
  if (runsPrograms && mountOptions(there).includes("noexec"))
    problems.push({
      message: `${there} is mounted "noexec": the embedded database cannot run from there.`,
      bearable: true,
    });
  return problems;
}
