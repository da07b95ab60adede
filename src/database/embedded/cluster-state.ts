import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { EmbeddedPostgresError, explainFailure } from "./error.ts";
import { type Layout, statIfPresent } from "./layout.ts";

/**
 * Tells whether the data folder holds a cluster of ours (`ready`) or none was ever made (`absent`).
 * Everything in between is refused, so that nothing is overwritten and no empty database takes a missing one's place.
 * @param majorVersion of the Postgres at hand
 * @throws EmbeddedPostgresError not_a_cluster, cluster_missing, other_major_version
 */
export function examineCluster(layout: Layout, majorVersion: number): "ready" | "absent" {
  const entries = entriesOf(layout.cluster);
  if (entries.length === 0) return requireFirstStart(layout);
  if (!entries.includes("PG_VERSION") || !statIfPresent(join(layout.cluster, "global", "pg_control"))) {
    throw new EmbeddedPostgresError(
      "not_a_cluster",
      `${layout.cluster} is not empty and is not a whole Postgres database: move its contents elsewhere (or restore the folder from a backup), then start again. Nothing was changed.`,
    );
  }
  requireVersion(layout, majorVersion);
  return "ready";
}

function entriesOf(folder: string): string[] {
  const found = statIfPresent(folder);
  if (!found) return [];
  if (!found.isDirectory()) {
    throw new EmbeddedPostgresError(
      "not_a_cluster",
      `${folder} is a file; the database needs a folder there: move it away.`,
    );
  }
  try {
    return readdirSync(folder);
  } catch (error) {
    throw explainFailure(`The database folder ${folder} could not be read`, error, "not_writable");
  }
}

function requireFirstStart(layout: Layout): "absent" {
  if (!statIfPresent(layout.marker)) return "absent";
  throw new EmbeddedPostgresError(
    "cluster_missing",
    `The database was created earlier (see ${layout.marker}), but ${layout.cluster} is gone: mount its disk or restore it from a backup. To begin anew with an empty database, delete ${layout.marker}.`,
  );
}

function requireVersion(layout: Layout, majorVersion: number): void {
  const found = readFileSync(join(layout.cluster, "PG_VERSION"), "utf8").trim();
  if (found === String(majorVersion)) return;
  throw new EmbeddedPostgresError(
    "other_major_version",
    `${layout.cluster} was made by Postgres ${found}, and this program brings Postgres ${majorVersion}, which cannot read it. Nothing was changed. Run the earlier trailglass once more to make a backup, move ${layout.cluster} and ${layout.marker} away, and restore the backup with this one.`,
  );
}
