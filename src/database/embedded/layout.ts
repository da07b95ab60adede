import { lstatSync, mkdirSync, realpathSync, type Stats, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { EmbeddedPostgresError, errnoOf, explainFailure } from "./error.ts";

/** Where the embedded Postgres keeps what, all of it inside the data folder. */
export interface Layout {
  readonly dataDir: string;
  /** The cluster; a symbolic link to it (another disk) is already resolved. */
  readonly cluster: string;
  /** Where initdb works; becomes `cluster` by a rename when it is whole and on the disk. */
  readonly partial: string;
  /** Says that a database was once created here: an absent cluster is then a missing disk, not a first start. */
  readonly marker: string;
  readonly lock: string;
  readonly runtime: string;
}

/** Works out the places for a data folder, which is created (mode 700) when missing. */
export function layOut(dataDir: string): Layout {
  const root = resolve(dataDir);
  try {
    mkdirSync(root, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw explainFailure(`The data folder ${root} could not be created`, error, "not_writable");
  }
  const cluster = resolveLink(join(root, "postgres"));
  return {
    dataDir: root,
    cluster,
    partial: join(dirname(cluster), `${basename(cluster)}.partial`),
    marker: join(root, "postgres.initialised"),
    lock: join(root, "trailglass.lock"),
    runtime: join(root, "runtime"),
  };
}

function resolveLink(path: string): string {
  if (!lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink()) return path;
  try {
    return realpathSync(path);
  } catch (error) {
    throw new EmbeddedPostgresError(
      "cluster_missing",
      `${path} is a symbolic link whose target cannot be reached: mount the disk it points to, then start again.`,
      { cause: error },
    );
  }
}

/** Like stat(2), but undefined when there is nothing. */
export function statIfPresent(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw explainFailure(`${path} could not be examined`, error, "not_writable");
  }
}
