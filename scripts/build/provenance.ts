import { root } from "./places.ts";

export interface Provenance {
  readonly commit: string;
  /** ISO instant in UTC. */
  readonly builtAt: string;
}

function git(...args: string[]): string | undefined {
  try {
    const { exitCode, stdout } = Bun.spawnSync(["git", ...args], { cwd: root, stderr: "ignore" });
    return exitCode === 0 ? stdout.toString().trim() : undefined;
  } catch {
    return undefined;
  }
}

function readCommit(): string {
  const commit = process.env.SOURCE_COMMIT || git("rev-parse", "HEAD");
  if (commit === undefined) return "unknown";
  const changes = process.env.SOURCE_COMMIT ? "" : git("status", "--porcelain", "--untracked-files=no");
  return changes ? `${commit}-modified` : commit;
}

/**
 * What is built: the commit and its date, so that two builds of one commit are the same to the byte. Where the sources
 * come without their history, SOURCE_COMMIT and SOURCE_DATE_EPOCH (in seconds) say it.
 * @see https://reproducible-builds.org/specs/source-date-epoch/
 */
export function readProvenance(): Provenance {
  const seconds = process.env.SOURCE_DATE_EPOCH || git("log", "-1", "--format=%ct");
  if (seconds === undefined)
    console.warn("Neither git nor SOURCE_DATE_EPOCH tells the date: taking the present.");
  const at = seconds === undefined ? new Date() : new Date(Number(seconds) * 1000);
  return { commit: readCommit(), builtAt: at.toISOString().replace(/\.\d+Z$/, "Z") };
}
