import { readFileSync, symlinkSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { errnoOf } from "./error.ts";

/**
 * Makes the library links (`libpq.so.5` to `libpq.so.5.18`) that packages cannot carry and that the package's own install
 * script, which Bun does not run, would make. Harmless when repeated or run by several processes at once; where the
 * folder is read-only it does nothing, and the trial run that follows tells.
 * @param native the folder with `pg-symlinks.json`
 * @param root where to make them, for a copy
 */
export function makeLibraryLinks(native: string, root = native): void {
  for (const { source, target } of readLinks(native)) {
    const link = join(root, relative("native", target));
    try {
      symlinkSync(basename(source), join(dirname(link), basename(target)));
    } catch (error) {
      if (!["EEXIST", "EACCES", "EROFS", "EPERM"].includes(errnoOf(error) ?? "")) throw error;
    }
  }
}

// A folder that was unpacked from an archive has its links, and no list of them.
function readLinks(native: string): { source: string; target: string }[] {
  try {
    return JSON.parse(readFileSync(join(native, "pg-symlinks.json"), "utf8"));
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  }
}
