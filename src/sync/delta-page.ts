import { sql } from "drizzle-orm";
import type { Transaction } from "../database/client.ts";
import type { Applied, Outcome, Writer } from "./apply-changes.ts";
import { type ConflictRecord, keyOf } from "./conflicts.ts";
import type { Counter } from "./counter.ts";
import type { Position } from "./cursor.ts";
import type { DeltaRequest } from "./delta-request.ts";
import type { DeviceProgress } from "./device-progress.ts";
import type { Kind, Registry } from "./entity.ts";
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

/** What is known of the account when an answer is worked out. */
export type Account = Pick<Counter, "before" | "epoch" | "hasEnvelopes">;

export interface ReadInput {
  readonly writer: Writer;
  readonly request: DeltaRequest;
  readonly position: Position;
  readonly newest: number;
  readonly account: Account;
  readonly applied: Applied;
  /** Accepted entities that hold more than was sent. */
  readonly fuller: ReadonlySet<string>;
  readonly pending: readonly ConflictRecord[];
}

/** The entity was written. */
export const isWritten = ({ decision }: Outcome) => decision.write !== undefined;

const byKind = <T extends { kind: Kind }>(entries: readonly T[]) => Map.groupBy(entries, ({ kind }) => kind);

/** What the window leaves out, and what is given whatever its version. */
function selections({ applied, fuller, pending }: Pick<ReadInput, "applied" | "fuller" | "pending">) {
  const { outcomes, touched } = applied;
  const changesOf = (list: readonly Outcome[]) => list.map(({ change }) => change);
  const entityOf = ({ kind, entityId }: ConflictRecord) => ({ kind, id: entityId });
  const held = pending.filter(({ owed }) => !owed).map(entityOf);
  const heldKeys = new Set(held.map(keyOf));
  // What was accepted without writing, and holds more than was sent, is given; what was written follows later.
  const corrected = changesOf(
    outcomes.filter((outcome) => !isWritten(outcome) && fuller.has(keyOf(outcome.change))),
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

/** How many envelopes lie in a range of versions. */
export async function countEnvelopes(
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

/** Reads what the device is given, and says how far it will have come with that. */
export async function conclude(
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
      ? await countEnvelopes(tx, writer.userId, progress.clearSince ?? 0, newest)
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
