import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./places.ts";

/** What bun.lock pins: the package's version and the hash of its file, as in `integrity` of a subresource. */
export interface Pin {
  readonly version: string;
  /** For example "sha512-" and base64. */
  readonly integrity: string;
}

/** An entry is `[name@version, registry, package.json, integrity]`. */
type Entry = readonly [string, string, object, string];

/** @returns all pinned packages as `name@version` → integrity */
export function readIntegrities(): ReadonlyMap<string, string> {
  const lock = Bun.JSONC.parse(readFileSync(join(root, "bun.lock"), "utf8")) as {
    packages: Record<string, Entry>;
  };
  return new Map(Object.values(lock.packages).map(([id, , , integrity]) => [id, integrity]));
}

/** @throws when the lock file does not know the package */
export function pinOf(name: string): Pin {
  for (const [id, integrity] of readIntegrities()) {
    if (id.startsWith(`${name}@`)) return { version: id.slice(name.length + 1), integrity };
  }
  throw new Error(`bun.lock does not pin ${name}.`);
}
