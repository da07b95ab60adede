import type { Transaction } from "../database/client.ts";
import type { AccountQueue } from "./account-queue.ts";
import { type Applied, applyChanges, type Writer } from "./apply-changes.ts";
import { keyOf, noteAnswered, readPending } from "./conflicts.ts";
import { type Counter, lockCounter, readCounter } from "./counter.ts";
import { findPosition, type Position } from "./cursor.ts";
import { type Account, conclude, countEnvelopes, type DeltaResult, isWritten } from "./delta-page.ts";
import type { DeltaRequest } from "./delta-request.ts";
import { type DeviceProgress, readProgress, saveProgress } from "./device-progress.ts";
import type { Registry } from "./entity.ts";
import { bringLater, findFuller } from "./fuller.ts";
import { ensureProgress, oweLetGo, settleArrived } from "./settlement.ts";

const nothingApplied: Applied = { outcomes: [], touched: new Set() };

/** The newest version that any phone may have seen, as far as this request tells (I10). */
function seenVersion({ lastSyncVersion, changes }: DeltaRequest): number {
  return changes.reduce((seen, { base }) => Math.max(seen, base ?? 0), lastSyncVersion);
}

async function locate(
  tx: Transaction,
  writer: Writer,
  request: DeltaRequest,
  account: Account,
): Promise<Position & { asRead: DeviceProgress }> {
  const progress = await readProgress(tx, writer);
  const { clearSince } = progress;
  const mayMiss = account.hasEnvelopes && request.encrypted && clearSince !== null;
  const missed = mayMiss ? await countEnvelopes(tx, writer.userId, clearSince, request.lastSyncVersion) : 0;
  const known = {
    newest: account.before,
    epoch: account.epoch,
    progress,
    missedEnvelopes: missed > 0,
  };
  return { ...findPosition(request, known), asRead: progress };
}

/** Applies what the device sent, and brings its conflicts up to date. */
async function take(
  tx: Transaction,
  registry: Registry,
  writer: Writer,
  request: DeltaRequest,
  counter: Counter,
  position: Position,
) {
  const { userId, deviceId } = writer;
  const before = await settleArrived(tx, userId, await readPending(tx, userId, deviceId), position.believed);
  const input = {
    writer,
    changes: request.changes,
    lastSyncVersion: position.believed,
    pending: before,
    keepsConflicts: true,
  };
  const applied = await applyChanges(tx, registry, counter, input);
  const fuller = await findFuller(tx, registry, userId, applied.outcomes);
  const pending = await oweLetGo(tx, writer, request);
  // Nobody may be given the cursor again that a resync or a return started from.
  if (position.believed === null && counter.current === request.lastSyncVersion) counter.next();
  ensureProgress(counter, pending, request);
  return { applied, fuller, pending };
}

/** A delta with something to write or to settle: under the counter's lock from beginning to end. */
async function exchange(
  tx: Transaction,
  registry: Registry,
  writer: Writer,
  request: DeltaRequest,
): Promise<DeltaResult> {
  const counter = await lockCounter(tx, writer.userId, seenVersion(request));
  const position = await locate(tx, writer, request, counter);
  const start = counter.current;
  const taken = await take(tx, registry, writer, request, counter, position);
  const newest = counter.current;
  const account = { before: counter.before, epoch: counter.epoch, hasEnvelopes: counter.hasEnvelopes };
  const { result, progress } = await conclude(tx, registry, {
    writer,
    request,
    position,
    newest,
    account,
    ...taken,
  });
  const { applied, fuller, pending } = taken;
  const written = applied.outcomes.filter(isWritten);
  const left = written.filter(
    ({ change, version }) => fuller.has(keyOf(change)) && (version ?? 0) <= result.syncVersion,
  );
  await bringLater(
    tx,
    registry,
    writer.userId,
    counter,
    left.map(({ change }) => change),
  );
  await counter.save();
  if (pending.length > 0) await noteAnswered(tx, writer, { told: result.syncVersion, handedOver: newest });
  // Its own changes a device has anyway, when it had everything before them (I5).
  const ownOnly = position.believed === start && newest - start === written.length && pending.length === 0;
  await saveProgress(tx, writer, ownOnly ? { ...progress, syncVersion: newest } : progress);
  return result;
}

/** A poll that has nothing to settle: one snapshot, no lock, nothing written. Null when it has, after all. */
async function poll(tx: Transaction, registry: Registry, writer: Writer, request: DeltaRequest) {
  const { version: newest, ...account } = await readCounter(tx, writer.userId);
  const position = await locate(tx, writer, request, { ...account, before: newest });
  const pending = await readPending(tx, writer.userId, writer.deviceId);
  if (position.believed === null || pending.length > 0) return null;
  const concluded = await conclude(tx, registry, {
    writer,
    request,
    position,
    newest,
    account: { ...account, before: newest },
    applied: nothingApplied,
    fuller: new Set(),
    pending,
  });
  return { ...concluded, asRead: position.asRead };
}

/**
 * One exchange with a device: takes its changes, gives it those of the others.
 * @throws database errors; nothing is done then.
 */
export async function syncDelta(
  accounts: AccountQueue,
  registry: Registry,
  writer: Writer,
  request: DeltaRequest,
): Promise<DeltaResult> {
  if (request.changes.length + request.invalid.length === 0) {
    const polled = await accounts.db.transaction((tx) => poll(tx, registry, writer, request), {
      isolationLevel: "repeatable read",
      accessMode: "read only",
    });
    if (polled) {
      await saveProgress(accounts.db, writer, polled.progress, polled.asRead);
      return polled.result;
    }
  }
  const result = await accounts.transaction(writer.userId, (tx) => exchange(tx, registry, writer, request));
  accounts.observer.decided(result.outcomes);
  accounts.observer.refused(request.invalid);
  return result;
}
