import type { Transaction } from "../database/client.ts";
import { enqueueMailAtMostEvery } from "../email/enqueue-mail.ts";
import type { BackupLookout } from "../health/health.ts";

/** Seconds in which one mail about backups is enough: less than a night, whose mail must not fall to that of the night before. */
const once = 20 * 3600;

/**
 * Tells the administrator by mail that there is no new backup.
 * @param problem why, without anything that people wrote
 */
export async function mailBackupFailure(
  tx: Transaction,
  backups: BackupLookout,
  problem: string,
): Promise<void> {
  const newest = (await backups.look())?.newest ?? null;
  await enqueueMailAtMostEvery(tx, once, "backup failed", {
    template: "backup-failed",
    to: "admin",
    values: { newest, problem },
  });
}
