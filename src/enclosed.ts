import { readdirSync } from "node:fs";
import { join } from "node:path";

/** The folder of the executable that `bun run build` fills. */
export const ENCLOSED_FOLDER = "enclosed";

/**
 * The file of that name that `bun run build` put into the executable. Undefined in development, where nothing is enclosed.
 * @returns a path within the executable, for `Bun.file` and `node:fs`
 */
export function enclosedFile(name: RegExp): string | undefined {
  if (!Bun.isStandaloneExecutable) return undefined;
  const folder = join(import.meta.dir, ENCLOSED_FOLDER);
  const found = readdirSync(folder).find((candidate) => name.test(candidate));
  return found === undefined ? undefined : join(folder, found);
}
