import { sql } from "drizzle-orm";
import type { Transaction } from "../database/client.ts";
import type { AccountQueue } from "./account-queue.ts";
import { type Applied, applyChanges, type Outcome, type Writer } from "./apply-changes.ts";
import { type ConflictRecord, keyOf, noteAnswered, owe, readPending, settle } from "./conflicts.ts";
import { type Counter, lockCounter, readCounter } from "./counter.ts";
import { findPosition, type Position } from "./cursor.ts";
import type { DeltaRequest } from "./delta-request.ts";
import { type DeviceProgress, readProgress, saveProgress } from "./device-progress.ts";
import type { Kind, Registry } from "./entity.ts";
import { bringLater, findFuller } from "./fuller.ts";
import { type ChangesPage, readChanges } from "./read-changes.ts";

/** Everything that the answer to a delta says. */
export interface DeltaResult {
  readonly syncVersion: number;
  readonly latestVersion: number;
  readonly syncEpoch: string;
  readonly resyncRequired: boolean;
  readonly hasMore: boolean;
  readonly outcomes: readonly Outcome[];
  readonly page: ChangesPage;
  /** Envelopes that this device has not been given, since it syncs in clear. */
  readonly encryptedPending: number;
}

const nothingApplied: Applied = { outcomes: [], touched: new Set() };

/** The newest version that any phone may have seen, as far as this request tells (I10). */
function seenVersion({ lastSyncVersion, changes }: DeltaRequest): number {
  return changes.reduce((seen, { base }) => Math.max(seen, base ?? 0), lastSyncVersion);
}

async function countMissedEnvelopes(
  tx: Transaction,
  userId: string,
  after: number,
  upTo: number,
): Promise<number> {
  const [row] = await tx.execute<{ count: number }>(sql`
    SELECT count(*) AS count FROM encrypted_sync_data
    WHERE user_id = ${userId} AND deleted_at IS NULL AND server_version > ${after} AND server_version <= ${upTo}`);
  return row?.count ?? 0;
}

type Account = Pick<Counter, "before" | "epoch" | "hasEnvelopes">;

async function locate(
  tx: Transaction,
  writer: Writer,
  request: DeltaRequest,
  account: Account,
): Promise<Position & { asRead: DeviceProgress }> {
  const progress = await readProgress(tx, writer);
  const { clearSince } = progress;
  const mayMiss = account.hasEnvelopes && request.encrypted && clearSince !== null;
  const missed = mayMiss
    ? await countMissedEnvelopes(tx, writer.userId, clearSince, request.lastSyncVersion)
    : 0;
  const known = {
    newest: account.before,
    epoch: account.epoch,
    progress,
    missedEnvelopes: missed > 0,
  };
  return { ...findPosition(request, known), asRead: progress };
}

const byKind = <T extends { kind: Kind }>(entries: readonly T[]) => Map.groupBy(entries, ({ kind }) => kind);

/** What the device is owed has arrived when its cursor is one that an answer with it gave (sync.md, held back and owed). */
async function settleArrived(
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
async function oweLetGo(tx: Transaction, writer: Writer, request: DeltaRequest): Promise<ConflictRecord[]> {
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
function ensureProgress(counter: Counter, pending: readonly ConflictRecord[], request: DeltaRequest): void {
  const newlyOwed = pending.some(({ owed, owedVersion }) => owed && owedVersion === null);
  const newlyTold = pending.some(({ owed, reportedVersion }) => !owed && reportedVersion === null);
  if (newlyOwed || (newlyTold && counter.current <= request.lastSyncVersion)) counter.next();
}

/** What the window leaves out, and what is given whatever its version. */
function selections({ applied, fuller, pending }: Pick<ReadInput, "applied" | "fuller" | "pending">) {
  const { outcomes, touched } = applied;
  const changesOf = (list: readonly Outcome[]) => list.map(({ change }) => change);
  const entityOf = ({ kind, entityId }: ConflictRecord) => ({ kind, id: entityId });
  const held = pending.filter(({ owed }) => !owed).map(entityOf);
  const heldKeys = new Set(held.map(keyOf));
  // What was accepted without writing, and holds more than was sent, is given; what was written follows later.
  const corrected = changesOf(
    outcomes.filter((outcome) => !writes(outcome) && fuller.has(keyOf(outcome.change))),
  );
  const lost = changesOf(outcomes.filter(({ decision }) => decision.conflict?.settled === "KEEP_REMOTE"));
  const owed = pending.filter((conflict) => conflict.owed).map(entityOf);
  const forced = new Map([...lost, ...owed, ...corrected].map((entry) => [keyOf(entry), entry]));
  for (const key of heldKeys) forced.delete(key);
  const agreed = outcomes.filter(
    ({ change, decision }) => decision.agrees && !touched.has(keyOf(change)) && !forced.has(keyOf(change)),
  );
  const leftOut = agreed.map(({ change: { kind, id }, version }) => ({ kind, id, version }));
  const heldBack = held.map((entity) => ({ ...entity, version: null }));
  const forcedIds = [...byKind([...forced.values()])].map(
    ([kind, list]) => [kind, list.map(({ id }) => id)] as const,
  );
  return { excluded: byKind([...leftOut, ...heldBack]), forced: new Map(forcedIds) };
}

const writes = ({ decision }: Outcome) => decision.write !== undefined;

interface ReadInput {
  readonly writer: Writer;
  readonly request: DeltaRequest;
  readonly position: Position;
  readonly newest: number;
  readonly account: Account & { hasEnvelopes: boolean };
  readonly applied: Applied;
  /** Accepted entities that hold more than was sent. */
  readonly fuller: ReadonlySet<string>;
  readonly pending: readonly ConflictRecord[];
}

/** Reads the page, and sees to it that an answer which goes back never gives the cursor that it came from. */
async function readPage(tx: Transaction, registry: Registry, input: ReadInput): Promise<ChangesPage> {
  const { writer, request, position, newest, account } = input;
  const options = {
    userId: writer.userId,
    from: position.from,
    to: newest,
    limit: request.limit,
    withEnvelopes: request.encrypted,
    hasEnvelopes: account.hasEnvelopes,
    ...selections(input),
  };
  const page = await readChanges(tx, registry, options);
  const wentBack = position.believed === null && page.upTo === request.lastSyncVersion;
  if (!wentBack) return page;
  return {
    ...(await readChanges(tx, registry, { ...options, to: page.upTo - 1 })),
    upTo: page.upTo - 1,
    hasMore: true,
  };
}

async function conclude(
  tx: Transaction,
  registry: Registry,
  input: ReadInput,
): Promise<{ result: DeltaResult; progress: DeviceProgress }> {
  const { writer, request, position, newest, account, applied } = input;
  const page = await readPage(tx, registry, input);
  const { progress } = position;
  const wentBack = position.believed === null && !position.resync;
  const answered = wentBack ? { ...progress, returnAnswer: page.upTo } : progress;
  const encryptedPending =
    account.hasEnvelopes && !request.encrypted
      ? await countMissedEnvelopes(tx, writer.userId, progress.clearSince ?? 0, newest)
      : 0;
  const result = {
    syncVersion: page.upTo,
    latestVersion: newest,
    syncEpoch: account.epoch,
    resyncRequired: position.resync,
    hasMore: page.hasMore,
    outcomes: applied.outcomes,
    page,
    encryptedPending,
  };
  return { result, progress: answered };
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
  const written = applied.outcomes.filter(writes);
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
  return accounts.transaction(writer.userId, (tx) => exchange(tx, registry, writer, request));
}
