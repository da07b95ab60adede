import { copyFileSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { BuildConfig } from "bun";
import { ENCLOSED_FOLDER } from "../../src/enclosed.ts";
import { root, workFolder } from "./places.ts";
import type { Provenance } from "./provenance.ts";
import type { Target } from "./targets.ts";

/** Elysia reads the names in functions' sources: identifiers stay as they are. */
const MINIFY = { whitespace: true, syntax: true, identifiers: false };

function configOf(provenance: Provenance): BuildConfig {
  return {
    entrypoints: [join(root, "cli/main.ts")],
    root,
    target: "bun",
    format: "esm",
    // What a command loads on demand stays apart, so that the others start without it.
    splitting: true,
    minify: MINIFY,
    define: {
      TRAILGLASS_BUILD: JSON.stringify(provenance),
      "process.env.NODE_ENV": JSON.stringify("production"),
      // Bun would write where the package lay on the machine that built it.
      __dirname: JSON.stringify("/$bunfs/root"),
      __filename: JSON.stringify("/$bunfs/root/trailglass"),
    },
  };
}

/** The files that the program is made of, as paths from the repository's root. */
export async function findSources(provenance: Provenance): Promise<string[]> {
  const { metafile } = await Bun.build({ ...configOf(provenance), metafile: true });
  return Object.keys(metafile?.inputs ?? {}).map((path) => path.replace(/\?.*$/, ""));
}

/**
 * Compiles the program for a target, with files to enclose.
 * @param output path of the executable
 */
export async function compile(
  target: Target,
  provenance: Provenance,
  enclosed: readonly string[],
  output: string,
): Promise<void> {
  // Of its own, for builds at the same time; always as deep, as the source maps hold paths that are relative to it.
  const folder = mkdtempSync(join(workFolder("targets"), `${target.name}-`));
  try {
    const inside = join(folder, ENCLOSED_FOLDER);
    mkdirSync(inside);
    for (const path of enclosed) copyFileSync(path, join(inside, basename(path)));
    const outfile = join(folder, "trailglass");
    await Bun.build(executableOf(target, provenance, inside, outfile));
    renameSync(outfile, output);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function executableOf(target: Target, provenance: Provenance, inside: string, outfile: string): BuildConfig {
  return {
    ...configOf(provenance),
    outdir: dirname(outfile),
    bytecode: true,
    // Within the executable: what breaks unexpectedly names the line of the source.
    sourcemap: "linked",
    compile: {
      target: `bun-${target.name}` as Bun.Build.CompileTarget,
      outfile,
      assets: [inside],
      autoloadDotenv: false,
      autoloadBunfig: false,
    },
  };
}
