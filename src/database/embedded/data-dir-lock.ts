import { closeSync, constants, fchownSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { EmbeddedPostgresError, errnoOf, explainFailure } from "./error.ts";
import { type Layout, statIfPresent } from "./layout.ts";
import { tryLockExclusively } from "./libc.ts";

/** The proof that this process alone uses the data folder. */
export interface DataDirLock {
  release(): void;
}

/**
 * Takes the data folder for this process, until `release` or the process's end however it comes.
 *
 * A flock(2) rather than a file with a process id: the kernel drops it at the holder's death, so there is nothing stale to
 * judge and no race in judging it; and it also holds between containers that share a folder, where process ids mean
 * nothing. (fcntl locks would vanish as soon as anything in this process opened and closed the file.) The file is never
 * deleted, as two processes could then hold locks on two files of the same name. The number in it serves only messages.
 * @throws EmbeddedPostgresError in_use, not_writable, disk_full
 */
export function lockDataDir(layout: Layout): DataDirLock {
  const fd = openLockFile(layout);
  if (!tryLockExclusively(fd)) {
    const holder = readFileSync(layout.lock, "utf8").trim();
    closeSync(fd);
    throw new EmbeddedPostgresError(
      "in_use",
      `Another trailglass (pid ${holder || "unknown"}) is using ${layout.dataDir}: stop it first, or give this one a DATA_DIR of its own.`,
    );
  }
  writeHolder(layout, fd, `${process.pid}\n`);
  return { release: () => closeSync(fd) };
}

function openLockFile(layout: Layout): number {
  const flags = constants.O_RDWR | constants.O_NOFOLLOW;
  try {
    const fd = openSync(layout.lock, flags | constants.O_CREAT | constants.O_EXCL, 0o600);
    // Root may run the program once in a folder of somebody who runs it afterwards.
    const owner = statIfPresent(layout.dataDir);
    if (owner && process.geteuid?.() === 0) fchownSync(fd, owner.uid, owner.gid);
    return fd;
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw lockFailure(layout, error);
  }
  try {
    return openSync(layout.lock, flags);
  } catch (error) {
    throw lockFailure(layout, error);
  }
}

function writeHolder(layout: Layout, fd: number, text: string): void {
  try {
    ftruncateSync(fd, 0);
    writeSync(fd, text, 0);
  } catch (error) {
    closeSync(fd);
    throw lockFailure(layout, error);
  }
}

function lockFailure(layout: Layout, error: unknown): EmbeddedPostgresError {
  return explainFailure(`The lock file ${layout.lock} could not be opened`, error, "not_writable");
}
