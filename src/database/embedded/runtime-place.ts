import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { errnoOf } from "./error.ts";
import { statIfPresent } from "./layout.ts";
import { syncFileSystem, tryLockExclusively } from "./libc.ts";
import { removeAbandoned } from "./runtime-sweep.ts";

/**
 * Provides Postgres programs in a place of their own that other users can run. They are put together under another
 * name and renamed when whole and on the disk, so what carries the final name is complete, whoever made it.
 * @param fill puts the programs into the folder that it is given
 * @returns the folder, or the problem that kept it from being there
 */
export async function keepRuntime(
  target: string,
  fill: (folder: string) => Promise<void> | void,
): Promise<{ folder?: string; problem?: string }> {
  try {
    makeReadable(dirname(target));
    requireOwn(dirname(target));
    if (!statIfPresent(target)) await make(target, fill);
    return { folder: target };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
}

// Others are to read it, also where root's or the installer's umask is a strict one.
function makeReadable(folder: string): void {
  const umask = process.umask(0o022);
  try {
    mkdirSync(folder, { recursive: true });
  } finally {
    process.umask(umask);
  }
}

async function make(target: string, fill: (folder: string) => Promise<void> | void): Promise<void> {
  removeAbandoned(dirname(target));
  const fresh = mkdtempSync(join(dirname(target), `.${basename(target)}-`));
  const fd = openSync(fresh, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    // Says to others that somebody is at work here, until this process ends, however it does.
    tryLockExclusively(fd);
    const content = join(fresh, "native");
    mkdirSync(content);
    await fill(content);
    makeReadableThroughout(content);
    syncFileSystem(fd);
    renameSync(content, target);
  } catch (error) {
    // Another process was quicker; its programs are as good.
    if (!["EEXIST", "ENOTEMPTY"].includes(errnoOf(error) ?? "")) throw error;
  } finally {
    rmSync(fresh, { recursive: true, force: true });
    closeSync(fd);
  }
}

function makeReadableThroughout(folder: string): void {
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isSymbolicLink()) openToAll(join(entry.parentPath, entry.name));
  }
  openToAll(folder);
}

function openToAll(path: string): void {
  const fd = openSync(path, "r");
  try {
    fchmodSync(fd, (fstatSync(fd).mode & 0o111) === 0 ? 0o644 : 0o755);
  } finally {
    closeSync(fd);
  }
}

// Programs are run from there: nobody else may be able to exchange them. Root could in any case.
function requireOwn(folder: string): void {
  const { uid, mode } = statSync(folder);
  if ([0, process.geteuid?.()].includes(uid) && (mode & 0o022) === 0) return;
  throw new Error(`${folder} belongs to or can be written by somebody else`);
}
