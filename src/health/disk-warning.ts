import type { Queryable } from "../database/client.ts";
import { enqueueMailAtMostEvery } from "../email/enqueue-mail.ts";
import { type Disk, stateOfRoom } from "./disk.ts";

/** Seconds in which one warning of a disk is enough. */
const once = 7 * 86_400;

/** Tells the administrator by mail which disks are nearly full, once a week each. */
export async function warnOfFullDisks(
  db: Queryable,
  disks: readonly Disk<"DATA_DIR" | "BACKUP_DIR">[],
): Promise<void> {
  for (const { name: disk, free, total } of disks.filter((disk) => stateOfRoom(disk) !== "ok"))
    await enqueueMailAtMostEvery(db, once, `nearly full: ${disk}`, {
      template: "storage-nearly-full",
      to: "admin",
      values: { disk, free, total },
    });
}
