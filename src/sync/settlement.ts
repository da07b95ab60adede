import type { Transaction } from "../database/client.ts";
import type { Writer } from "./apply-changes.ts";
import { type ConflictRecord, keyOf, owe, readPending, settle } from "./conflicts.ts";
import type { Counter } from "./counter.ts";
import type { DeltaRequest } from "./delta-request.ts";

/*
 * Held back and owed: an entity in an open conflict is held back from the device that met it, while that keeps sending its
 * side. When it has let go, it is owed the other side, until its cursor shows that this has arrived.
 */

/** What the device is owed has arrived when its cursor is one that an answer with it gave. */
export async function settleArrived(
  tx: Transaction,
  userId: string,
  pending: readonly ConflictRecord[],
  believed: number | null,
) {
  const hasArrived = ({ owed, owedVersion }: ConflictRecord) =>
    owed && owedVersion !== null && believed !== null && believed >= owedVersion;
  const arrived = pending.filter(hasArrived);
  await settle(
    tx,
    userId,
    arrived.map(({ id }) => id),
    "KEEP_REMOTE",
  );
  return pending.filter((conflict) => !hasArrived(conflict));
}

/** A device that sends a delta without an entity in conflict has let go of its side: it is owed the other. */
export async function oweLetGo(
  tx: Transaction,
  writer: Writer,
  request: DeltaRequest,
): Promise<ConflictRecord[]> {
  const mentioned = new Set([...request.changes, ...request.invalid].map(keyOf));
  const pending = await readPending(tx, writer.userId, writer.deviceId);
  const isLetGo = ({ kind, entityId, owed }: ConflictRecord) =>
    !owed && !mentioned.has(keyOf({ kind, id: entityId }));
  const letGo = pending.filter(isLetGo);
  await owe(
    tx,
    writer.userId,
    letGo.map(({ id }) => id),
  );
  return pending.map((conflict) =>
    isLetGo(conflict) ? { ...conflict, owed: true, owedVersion: null } : conflict,
  );
}

/**
 * Only a cursor shows which answers have arrived. So an answer that tells of a conflict moves it, by an empty number if
 * by nothing else; and what is owed is handed over under a number that no answer before could have given.
 */
export function ensureProgress(
  counter: Counter,
  pending: readonly ConflictRecord[],
  request: DeltaRequest,
): void {
  const newlyOwed = pending.some(({ owed, owedVersion }) => owed && owedVersion === null);
  const newlyTold = pending.some(({ owed, reportedVersion }) => !owed && reportedVersion === null);
  if (newlyOwed || (newlyTold && counter.current <= request.lastSyncVersion)) counter.next();
}
