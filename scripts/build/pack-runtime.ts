import { createHash } from "node:crypto";
import { lstatSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join, relative } from "node:path";
import { buffer } from "node:stream/consumers";
import { TarArchive } from "archiver";
import { copyPackage } from "../../src/database/embedded/runtime-copy.ts";
import { workFolder } from "./places.ts";
import { provideRuntimePackage } from "./runtime-package.ts";
import type { Target } from "./targets.ts";

/** Raise it when the packing changes, so that no archive of before is taken. */
const PACKING = 1;

/** The highest level that asks no more than a few MB of whoever unpacks it. */
const COMPRESSION_LEVEL = 19;

/**
 * Packs the Postgres of a processor for the executable. Kept in `.tools/build`, as it takes a while.
 * @returns the archive's path; its name tells version, processor and content
 */
export async function packRuntime(arch: Target["arch"]): Promise<string> {
  const { version, folder } = await provideRuntimePackage(arch);
  const kept = workFolder("runtimes", `${PACKING}-${version}-${arch}`);
  const found = readdirSync(kept).find((name) => name.endsWith(".tar.zst"));
  if (found) return join(kept, found);
  console.log(`Packing Postgres ${version} for ${arch} ...`);
  const tar = await tarOf(join(folder, "native"));
  const hash = createHash("sha256").update(tar).digest("hex").slice(0, 8);
  const target = join(kept, `postgres-${version}-${arch}-${hash}.tar.zst`);
  await Bun.write(`${target}.partial`, Bun.zstdCompressSync(tar, { level: COMPRESSION_LEVEL }));
  renameSync(`${target}.partial`, target);
  return target;
}

async function tarOf(native: string): Promise<Buffer> {
  const fresh = mkdtempSync(join(workFolder(), "native-"));
  try {
    const content = join(fresh, "native");
    copyPackage(native, content);
    return await tarOfFolder(content);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

/** The same bytes for the same content, whoever packs it and when: one after the other, sorted, without times and owners. */
async function tarOfFolder(folder: string): Promise<Buffer> {
  const archive = new TarArchive({ statConcurrency: 1 });
  const whole = buffer(archive);
  for (const entry of sortedEntries(folder)) {
    if (entry.isDirectory()) continue;
    const path = join(entry.parentPath, entry.name);
    const mode = (lstatSync(path).mode & 0o111) === 0 ? 0o644 : 0o755;
    archive.file(path, { name: relative(folder, path), mode, date: new Date(0) });
  }
  await archive.finalize();
  return whole;
}

function sortedEntries(folder: string) {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  const pathOf = (entry: (typeof entries)[number]) => join(entry.parentPath, entry.name);
  return entries.sort((one, other) => (pathOf(one) < pathOf(other) ? -1 : 1));
}
