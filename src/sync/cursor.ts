import type { DeltaRequest } from "./delta-request.ts";
import type { DeviceProgress } from "./device-progress.ts";

/** Where an answer has to start, and how far the device's cursor can be believed. */
export interface Position {
  readonly from: number;
  /** What the device surely has been given; null when its cursor says nothing. */
  readonly believed: number | null;
  readonly resync: boolean;
  readonly progress: DeviceProgress;
}

interface Known {
  readonly newest: number;
  readonly epoch: string;
  readonly progress: DeviceProgress;
  /** Whether envelopes lie between what the device was given of them and its cursor. */
  readonly missedEnvelopes: boolean;
}

const noProgress: DeviceProgress = { syncVersion: 0, voidCursor: null, clearSince: null, returnAnswer: null };

/**
 * Works out where an answer starts.
 *
 * A cursor ahead of the newest version, or of another epoch, is from another life of this database: the device gets
 * everything. Such a cursor stays void: were the answer lost, the same cursor would come again, and by then the
 * counter has passed it.
 *
 * A device that turns to encrypted mode goes back to where it began to sync in clear, for the envelopes since then.
 * That it has got there is known when it comes with the very cursor that such an answer gave it.
 */
export function findPosition(
  request: DeltaRequest,
  { newest, epoch, progress, missedEnvelopes }: Known,
): Position {
  const { lastSyncVersion: cursor, encrypted, syncEpoch } = request;
  const ahead = cursor > newest;
  const foreign = syncEpoch !== null && syncEpoch !== epoch;
  if (ahead || foreign || cursor === progress.voidCursor) {
    const voidCursor = ahead ? cursor : progress.voidCursor;
    const start = { ...noProgress, voidCursor, clearSince: encrypted ? null : 0 };
    return { from: 0, believed: null, resync: true, progress: start };
  }
  const at = { from: cursor, believed: cursor, resync: false };
  if (!encrypted) {
    const clearSince = Math.min(progress.clearSince ?? cursor, cursor);
    return { ...at, progress: { ...progress, syncVersion: cursor, clearSince, returnAnswer: null } };
  }
  if (progress.clearSince === null || !missedEnvelopes || cursor === progress.returnAnswer) {
    return { ...at, progress: { ...progress, syncVersion: cursor, clearSince: null, returnAnswer: null } };
  }
  const back = progress.clearSince;
  return { from: back, believed: null, resync: false, progress: { ...progress, syncVersion: back } };
}
