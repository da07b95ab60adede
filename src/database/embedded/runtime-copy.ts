import { closeSync, cpSync, mkdirSync, mkdtempSync, openSync, renameSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { errnoOf } from "./error.ts";
import { statIfPresent } from "./layout.ts";
import { syncFileSystemOf } from "./libc.ts";
import { makeLibraryLinks } from "./runtime-links.ts";

/** Static libraries and build files: a third of the package, and of no use to a server. */
const LEFT_OUT = /\.a$|\/pkgconfig$|\/pgxs$/;

/**
 * Provides a copy of the packaged programs that other users can run. It is put together under another name and renamed
 * when whole and on the disk, so what carries the final name is complete, whoever made it.
 * @returns the folder, or the problem that kept it from being there
 */
export function copyRuntime(native: string, target: string): { folder?: string; problem?: string } {
  try {
    mkdirSync(dirname(target), { recursive: true, mode: 0o755 });
    requireOwn(dirname(target));
    if (!statIfPresent(target)) makeCopy(native, target);
    return { folder: target };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
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
    const folder = openSync(content, "r");
    syncFileSystemOf(folder);
    closeSync(folder);
    renameSync(content, target);
  } catch (error) {
    // Another process was quicker; its copy is as good.
    if (!["EEXIST", "ENOTEMPTY"].includes(errnoOf(error) ?? "")) throw error;
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

// Programs are run from there: nobody else may be able to exchange them.
function requireOwn(folder: string): void {
  const { uid, mode } = statSync(folder);
  if (uid === process.geteuid?.() && (mode & 0o022) === 0) return;
  throw new Error(`${folder} belongs to or can be written by somebody else`);
}
