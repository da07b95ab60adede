import { deleteExpiredTokens } from "./accounts/expired-tokens.ts";
import { mailBackupFailure } from "./backup/failure-mail.ts";
import { backupDir } from "./backup/places.ts";
import type { Config } from "./config/config.ts";
import type { Database, Transaction } from "./database/client.ts";
import { enqueueMail } from "./email/enqueue-mail.ts";
import { type MailDesk, mailJob } from "./email/mail-job.ts";
import type { Mailer } from "./email/outgoing-mail.ts";
import { defineExportJob, type ReadyExport } from "./exports/export-job.ts";
import { expireExports } from "./exports/export-rows.ts";
import { takeStatistics } from "./health/daily-statistics.ts";
import { readDisks, readRoom, tooLittle } from "./health/disk.ts";
import { warnOfFullDisks } from "./health/disk-warning.ts";
import type { BackupLookout } from "./health/health.ts";
import { defineJob, type JobKind } from "./jobs/job.ts";
import { forgetOldJobs } from "./jobs/queue.ts";
import type { Log } from "./log.ts";
import type { Previews } from "./photos/previews/previews.ts";
import { thumbnailsJob } from "./photos/previews/thumbnails-job.ts";
import type { Sweeper } from "./photos/sweeper.ts";
import type { ObjectStorage } from "./storage/storage.ts";
import type { Registry } from "./sync/entity.ts";
import { deleteOldConflicts } from "./sync/old-conflicts.ts";

export interface WorkParts {
  readonly config: Config;
  readonly log: Log;
  readonly db: Database;
  readonly storage: ObjectStorage;
  readonly previews: Previews;
  readonly sweeper: Sweeper;
  readonly registry: Registry;
  readonly backups: BackupLookout;
  readonly mailer: Mailer;
  readonly desk: MailDesk;
}

/** Everything that the server does outside of requests, by itself (`at`) or when it is asked to, one line each. */
export function createWork(parts: WorkParts): readonly JobKind[] {
  const { config, db, previews, sweeper } = parts;
  return [
    thumbnailsJob(previews),
    defineJob("sweep", { at: "17 * * * *", run: () => sweeper.run() }),
    defineExportJob({ ...parts, onReady: mailReady, room: () => roomForExports(config) }),
    defineJob("clear-exports", { at: "27 * * * *", run: () => clearExports(parts) }),
    defineJob("clear-tokens", { at: "40 4 * * *", run: () => deleteExpiredTokens(db) }),
    defineJob("clear-conflicts", { at: "45 4 * * *", run: () => deleteOldConflicts(db) }),
    defineJob("clear-jobs", { at: "50 4 * * *", run: () => forgetOldJobs(db) }),
    defineJob("statistics", { at: "55 23 * * *", run: () => takeStatistics(db) }),
    backupJob(parts),
    defineJob("watch-disk", { at: "7 * * * *", run: () => watchDisks(parts) }),
    mailJob({ desk: parts.desk, mailer: parts.mailer, publicUrl: config.publicUrl }),
  ];
}

/** Postgres, which often lies on the same disk, stops when that is full: an export is refused before. */
async function roomForExports({ storageBackend, databaseUrl, dataDir }: Config): Promise<number | null> {
  const isElsewhere = storageBackend === "s3" || (storageBackend === "database" && databaseUrl !== undefined);
  if (isElsewhere) return null;
  return (await readRoom(dataDir)).free - tooLittle;
}

/** Without a link: whoever came by the mail, or by the job, would have the whole journal. */
async function mailReady(
  tx: Transaction,
  { userId, format, size, expiresAt: expires }: ReadyExport,
): Promise<void> {
  const values = { format, size, link: null, expires };
  await enqueueMail(tx, { template: "export-ready", to: { ownerId: userId }, values });
}

async function clearExports({ db, sweeper }: WorkParts): Promise<void> {
  await expireExports(db);
  await sweeper.deleteDue();
}

async function watchDisks({ config, db }: WorkParts): Promise<void> {
  const folders = [
    { name: "DATA_DIR", path: config.dataDir },
    { name: "BACKUP_DIR", path: backupDir(config) },
  ] as const;
  await warnOfFullDisks(db, await readDisks(folders));
}

function backupJob(parts: WorkParts): JobKind {
  return defineJob("backup", {
    at: parts.config.backupSchedule,
    // Ten minutes, then twenty: whatever keeps a disk or a bucket away at night is often over by then.
    attempts: 3,
    pause: 600,
    run: () => backUp(parts),
    givenUp: async (tx, _job, problem) => {
      if (problem !== null) await mailBackupFailure(tx, parts.backups, problem);
    },
  });
}

async function backUp(parts: WorkParts): Promise<void> {
  // Loaded when its time has come: a server starts faster without.
  const { makeNightlyBackup } = await import("./backup/nightly.ts");
  await makeNightlyBackup(parts);
}
