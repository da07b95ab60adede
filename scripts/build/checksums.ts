import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { basename } from "node:path";
import { pipeline } from "node:stream/promises";

/** Lines as `sha256sum --check` reads them, by the files' names. */
export async function checksumLines(paths: readonly string[]): Promise<string> {
  const lines: string[] = [];
  for (const path of paths.toSorted()) {
    const hash = createHash("sha256");
    await pipeline(createReadStream(path), hash);
    lines.push(`${hash.digest("hex")}  ${basename(path)}\n`);
  }
  return lines.join("");
}
