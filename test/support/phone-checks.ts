import { KIND_OF } from "./phone-answer.ts";
import { KINDS, type Kind } from "./phone-content.ts";
import type { Outgoing } from "./phone-request.ts";
import { ContractBreach } from "./phone-transport.ts";
import type { DeltaAnswer } from "./wire.ts";

/**
 * The promises of `sync.md` that can be told from one request and its answer.
 * @throws ContractBreach that names the broken promise
 */
export function checkDelta(outgoing: Outgoing, answer: DeltaAnswer): void {
  checkCursor(outgoing, answer);
  checkConflicts(outgoing, answer);
  for (const kind of KINDS) {
    checkVerdicts(kind, outgoing, answer);
    checkRemote(kind, outgoing, answer);
  }
}

function insist(holds: boolean, promise: string): void {
  if (!holds) throw new ContractBreach(promise);
}

function checkCursor({ request }: Outgoing, answer: DeltaAnswer): void {
  const from = request.lastSyncVersion;
  if (answer.resyncRequired) return;
  insist(answer.syncVersion >= from, `the cursor went back from ${from} to ${answer.syncVersion}`);
  insist(!answer.hasMore || answer.syncVersion > from, `hasMore, but the cursor stayed at ${from}`);
}

/** Every entity that was sent is stored, in conflict, or rejected; nothing is both; nothing else is answered. */
function checkVerdicts(kind: Kind, { sent }: Outgoing, answer: DeltaAnswer): void {
  const accepted = new Set(answer.accepted[kind]);
  const rejected = new Set(answer.rejected[kind].map((refusal) => refusal.id));
  const contested = new Set(conflictsOf(kind, answer).map((conflict) => conflict.entityId));
  for (const id of sent[kind].keys()) {
    const answered = accepted.has(id) || rejected.has(id) || contested.has(id);
    insist(answered, `${kind}/${id} was sent and got no verdict`);
    insist(!(accepted.has(id) && rejected.has(id)), `${kind}/${id} is both accepted and rejected`);
    insist(!(accepted.has(id) && contested.has(id)), `${kind}/${id} is both accepted and in conflict`);
  }
  for (const id of [...accepted, ...rejected, ...contested]) {
    insist(sent[kind].has(id), `${kind}/${id} was answered but never sent`);
  }
}

function checkRemote(kind: Kind, { request }: Outgoing, answer: DeltaAnswer): void {
  const rows = answer.remoteChanges[kind];
  const ids = rows.map((row) => row.id);
  const deleted = answer.remoteChanges.deletedIds[kind];
  insist(new Set(ids).size === ids.length, `${kind}: an id stands twice in remoteChanges`);
  insist(new Set(deleted).size === deleted.length, `${kind}: an id stands twice in deletedIds`);
  for (const id of deleted) insist(!ids.includes(id), `${kind}/${id} is in remoteChanges and in deletedIds`);
  const from = answer.resyncRequired ? 0 : request.lastSyncVersion;
  // Owed rows and the remote side of a conflict may come from outside the window, at any place.
  const inWindow = rows
    .map((row) => row.serverVersion ?? 0)
    .filter((v) => v > from && v <= answer.syncVersion);
  const ascending = inWindow.every((v, index) => index === 0 || v > (inWindow[index - 1] ?? 0));
  insist(ascending, `${kind}: versions do not ascend: ${inWindow.slice(0, 20)}`);
  if (request.limit !== null)
    insist(inWindow.length <= request.limit, `${kind}: more than ${request.limit} rows`);
}

function conflictsOf(kind: Kind, answer: DeltaAnswer) {
  return answer.conflicts.filter((one) => one.entityType !== "SETTINGS" && KIND_OF[one.entityType] === kind);
}

/** KEEP_REMOTE comes with the remote side, the others are held back, and deletions are never settled unasked. */
function checkConflicts({ request }: Outgoing, answer: DeltaAnswer): void {
  for (const conflict of answer.conflicts) {
    const what = `${conflict.entityType}/${conflict.entityId}`;
    const unasked = ["KEEP_REMOTE", "MERGE"].includes(conflict.suggestedResolution);
    insist(
      !(unasked && conflict.conflictType === "DELETION_CONFLICT"),
      `${what}: a deletion to be applied unasked`,
    );
    insist(
      conflict.entityType !== "LOCATION" || request.isEncrypted,
      `${what}: locations are never in conflict`,
    );
    const shown = showsRemote(conflict, answer);
    if (conflict.suggestedResolution === "KEEP_REMOTE")
      insist(shown, `${what}: KEEP_REMOTE without the remote side`);
    else if (!unasked) insist(!shown, `${what}: the remote side of an open conflict was not held back`);
  }
}

function showsRemote(conflict: DeltaAnswer["conflicts"][number], answer: DeltaAnswer): boolean {
  if (conflict.entityType === "SETTINGS") return Boolean(answer.remoteChanges.settings);
  const kind = KIND_OF[conflict.entityType];
  const rows: { id: string }[] = answer.remoteChanges[kind];
  const live = rows.some((row) => row.id === conflict.entityId);
  return live || answer.remoteChanges.deletedIds[kind].includes(conflict.entityId);
}
