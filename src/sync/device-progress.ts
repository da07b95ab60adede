import { sql } from "drizzle-orm";
import type { Queryable } from "../database/client.ts";
import { unauthorized } from "../errors.ts";
import type { Writer } from "./apply-changes.ts";

/** How far a device has come; columns are told in the first migration. */
export interface DeviceProgress {
  readonly syncVersion: number;
  readonly voidCursor: number | null;
  readonly clearSince: number | null;
  readonly returnAnswer: number | null;
}

/** Seconds for which a poll that brought nothing new is not written down: flash storage wears by every commit. */
const restSeconds = 10;

export async function readProgress(tx: Queryable, { userId, deviceId }: Writer): Promise<DeviceProgress> {
  const [row] = await tx.execute<DeviceProgress & Record<string, unknown>>(sql`
    SELECT sync_version AS "syncVersion", void_cursor AS "voidCursor", clear_since AS "clearSince",
      return_answer AS "returnAnswer"
    FROM devices WHERE user_id = ${userId} AND device_id = ${deviceId}`);
  if (!row) throw unauthorized();
  return row;
}

/**
 * Writes down how far a device is known to have come after a delta.
 * @param asRead what it was worked out from, when no lock has kept that from changing; then nothing is written
 */
export async function saveProgress(
  tx: Queryable,
  { userId, deviceId }: Writer,
  progress: DeviceProgress,
  asRead?: DeviceProgress,
): Promise<void> {
  const { syncVersion, voidCursor, clearSince, returnAnswer } = progress;
  await tx.execute(sql`
    UPDATE devices SET sync_version = ${syncVersion}, void_cursor = ${voidCursor}, clear_since = ${clearSince},
      return_answer = ${returnAnswer}, last_sync_at = now()
    WHERE user_id = ${userId} AND device_id = ${deviceId}
      ${
        asRead
          ? sql`AND (void_cursor, clear_since, return_answer) IS NOT DISTINCT FROM
        (${asRead.voidCursor}::bigint, ${asRead.clearSince}::bigint, ${asRead.returnAnswer}::bigint)`
          : sql``
      }
      AND (last_sync_at IS NULL OR last_sync_at < now() - make_interval(secs => ${restSeconds})
        OR (sync_version, void_cursor, clear_since, return_answer)
          IS DISTINCT FROM (${syncVersion}::bigint, ${voidCursor}::bigint, ${clearSince}::bigint, ${returnAnswer}::bigint))`);
}

/**
 * Moves a device's safe cursor over changes that it made itself, when it had everything before them.
 * @returns the safe cursor (I5)
 */
export async function passOwnChanges(
  tx: Queryable,
  { userId, deviceId }: Writer,
  { before, after }: { before: number; after: number },
): Promise<number> {
  const [row] = await tx.execute<{ version: number }>(sql`
    UPDATE devices SET sync_version = ${after}
    WHERE user_id = ${userId} AND device_id = ${deviceId} AND sync_version = ${before} AND sync_version <> ${after}
    RETURNING sync_version AS version`);
  return row?.version ?? (await readProgress(tx, { userId, deviceId })).syncVersion;
}
