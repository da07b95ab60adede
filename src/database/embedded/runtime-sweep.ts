import {
  closeSync,
  constants,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { join } from "node:path";
import { errnoOf } from "./error.ts";
import { tryLockExclusively } from "./libc.ts";
import { processIds } from "./process-table.ts";

/** So long after it was made a folder has been locked by whoever works in it, if anybody still does. */
const LOCKED_BY_NOW_MS = 60_000;

/** Removes what processes that died left half unpacked or half removed. */
export function removeAbandoned(parent: string): void {
  for (const name of readdirSync(parent)) {
    if (name.startsWith(".") && isAbandoned(join(parent, name))) {
      rmSync(join(parent, name), { recursive: true, force: true });
    }
  }
}

function isAbandoned(folder: string): boolean {
  try {
    if (Date.now() - statSync(folder).mtimeMs < LOCKED_BY_NOW_MS) return false;
    const fd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    try {
      return tryLockExclusively(fd);
    } finally {
      closeSync(fd);
    }
  } catch {
    return false;
  }
}

/** What `keepRuntime` names: "18.4.0-beta.17-x64-1a2b3c4d". */
const RUNTIME = /^\d+\.\d+\S*-(x64|arm64)\b/;

/**
 * Removes the Postgres programs of earlier versions from a data folder whose lock is held. They stay where any process
 * runs from them, and where they cannot be removed: they only take up room.
 * @param binDir of the programs in use
 */
export function removeFormerRuntimes(parent: string, binDir: string): void {
  try {
    const former = readdirSync(parent).filter(
      (name) => RUNTIME.test(name) && !binDir.startsWith(join(parent, name, "/")),
    );
    for (const name of former) {
      if (!runsFrom(join(parent, name))) removeWhole(parent, name);
    }
    removeAbandoned(parent);
  } catch {
    // Nothing was unpacked here, or it is not ours to remove.
  }
}

// Under its own name half of it would be taken for the whole.
function removeWhole(parent: string, name: string): void {
  const doomed = join(parent, `.${name}.former`);
  renameSync(join(parent, name), doomed);
  rmSync(doomed, { recursive: true, force: true });
}

function runsFrom(folder: string): boolean {
  return processIds().some((pid) => {
    try {
      return readlinkSync(`/proc/${pid}/exe`).startsWith(join(folder, "/"));
    } catch (error) {
      // A container's root may not ask a process of another user, such as the one it runs Postgres as.
      return process.geteuid?.() === 0 && errnoOf(error) === "EACCES" && nameOf(pid) === "postgres";
    }
  });
}

function nameOf(pid: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  } catch {
    return undefined;
  }
}
