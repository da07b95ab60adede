import { mkdirSync } from "node:fs";
import { join } from "node:path";

/** The repository's folder. */
export const root = join(import.meta.dir, "../..");

/** A folder below `.tools/build`, made when missing: what lies there may be deleted at any time. */
export function workFolder(...names: string[]): string {
  const folder = join(root, ".tools/build", ...names);
  mkdirSync(folder, { recursive: true });
  return folder;
}
