import type { Config } from "./config/config.ts";
import { readActivity } from "./database/activity.ts";
import type { Database, Queryable } from "./database/client.ts";
import { readWithin } from "./database/read-within.ts";
import { readRoom } from "./health/disk.ts";
import { type BackupLookout, HealthReporter } from "./health/health.ts";
import { jobsLookout, mailLookout } from "./health/job-lookouts.ts";
import { databaseLookout, diskLookout, storageLookout } from "./health/lookouts.ts";
import { countJobs, findJobTroubles } from "./jobs/job-facts.ts";
import type { Metrics } from "./metrics/metrics.ts";
import type { ObjectStorage } from "./storage/storage.ts";
import { readLastSync } from "./sync/last-sync.ts";

export interface ObservedParts {
  readonly config: Config;
  readonly db: Database;
  readonly storage: ObjectStorage;
  readonly backups: BackupLookout;
}

/** Who is asked how a server is, one line each. */
export function createHealth({ config, db, storage, backups }: ObservedParts): HealthReporter {
  return new HealthReporter({
    database: databaseLookout(db),
    storage: storageLookout(storage),
    mail: mailLookout(config, db),
    jobs: jobsLookout(db),
    backup: backups,
    disk: diskLookout(config.dataDir),
  });
}

/** Prometheus' client is loaded only where somebody wants its metrics. @returns null where nobody does */
export async function createMetrics({ metricsEnabled }: Config): Promise<Metrics | null> {
  if (!metricsEnabled) return null;
  const { Metrics } = await import("./metrics/metrics.ts");
  return new Metrics();
}

/** Milliseconds that the database may take for each of these. */
const patience = 1_500;

const readJobs = async (db: Queryable) => ({
  counts: await countJobs(db),
  ...(await findJobTroubles(db)),
});

/** Says whom metrics are asked from when Prometheus comes, one line each. */
export function feedMetrics(metrics: Metrics, health: HealthReporter, parts: ObservedParts): void {
  const { config, db, backups } = parts;
  metrics.lookAt(config.databaseMaxPoolSize, {
    activity: () => readActivity(db),
    components: async () => (await health.report()).components,
    backups: () => backups.look(),
    room: () => readRoom(config.dataDir),
    lastSync: () => readWithin(db, patience, readLastSync),
    jobs: () => readWithin(db, patience, readJobs),
  });
}
