import {
  closeSync,
  cpSync,
  fchmodSync,
  fstatSync,
  fsyncSync,
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
import { makeLibraryLinks } from "./runtime-links.ts";

/** Static libraries and build files: a third of the package, and of no use to a server. */
const LEFT_OUT = /\.a$|\/pkgconfig$|\/pgxs$/;

/**
 * Provides a copy of the packaged programs that other users can run. It is put together under another name and renamed
 * when whole and on the disk, so what carries the final name is complete, whoever made it.
 * @returns the folder, or the problem that kept it from being there
 */
export function copyRuntime(native: string, target: string): { folder?: string; problem?: string } {
  // Others are to read it, also where root's or the installer's umask is a strict one.
  const umask = process.umask(0o022);
  try {
    mkdirSync(dirname(target), { recursive: true });
    requireOwn(dirname(target));
    if (!statIfPresent(target)) makeCopy(native, target);
    return { folder: target };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  } finally {
    process.umask(umask);
  }
}

function makeCopy(native: string, target: string): void {
  const fresh = mkdtempSync(join(dirname(target), `.${basename(target)}-`));
  try {
    const content = join(fresh, "native");
    cpSync(native, content, {
      recursive: true,
      verbatimSymlinks: true,
      filter: (path) => !LEFT_OUT.test(path),
    });
    makeLibraryLinks(native, content);
    settle(content);
    renameSync(content, target);
  } catch (error) {
    // Another process was quicker; its copy is as good.
    if (!["EEXIST", "ENOTEMPTY"].includes(errnoOf(error) ?? "")) throw error;
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

// Readable for everybody, and on the disk: the name that the copy gets promises both.
function settle(folder: string): void {
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isSymbolicLink()) settleOne(join(entry.parentPath, entry.name));
  }
  settleOne(folder);
}

function settleOne(path: string): void {
  const fd = openSync(path, "r");
  try {
    fchmodSync(fd, (fstatSync(fd).mode & 0o111) === 0 ? 0o644 : 0o755);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

// Programs are run from there: nobody else may be able to exchange them.
function requireOwn(folder: string): void {
  const { uid, mode } = statSync(folder);
  if (uid === process.geteuid?.() && (mode & 0o022) === 0) return;
  throw new Error(`${folder} belongs to or can be written by somebody else`);
}
