import type { Transaction } from "../database/client.ts";
import type { AccountQueue } from "./account-queue.ts";
import { type Applied, applyChanges, type Writer } from "./apply-changes.ts";
import type { Change } from "./change.ts";
import { readPending } from "./conflicts.ts";
import { type Counter, lockCounter } from "./counter.ts";
import { passOwnChanges } from "./device-progress.ts";
import type { Registry } from "./entity.ts";

export interface WriteResult extends Applied {
  /** The writing device's safe cursor (I5). */
  readonly syncVersion: number;
}

/** A base of at least this names no version: the caller means whatever is there. */
export const whateverIsThere = Number.MAX_SAFE_INTEGER;

function seenVersion(changes: readonly Change[]): number {
  return changes.reduce(
    (seen, { base }) => (base === null || base === whateverIsThere ? seen : Math.max(seen, base)),
    0,
  );
}

/** Something else that happens with the changes, or not at all. */
export type Along = (tx: Transaction, applied: Applied, counter: Counter) => Promise<void>;

/**
 * Writes changes of a REST call: the call of the same function that a delta makes. What a compare-and-set refuses, the
 * answer says; the caller still has it, so no conflict is kept of that.
 * @param along runs in the same transaction, after the changes; what it throws undoes them
 */
export async function writeChanges(
  accounts: AccountQueue,
  registry: Registry,
  writer: Writer,
  changes: readonly Change[],
  along?: Along,
): Promise<WriteResult> {
  const result = await accounts.transaction(writer.userId, async (tx) => {
    const counter = await lockCounter(tx, writer.userId, seenVersion(changes));
    const pending = await readPending(tx, writer.userId, writer.deviceId);
    const applied = await applyChanges(tx, registry, counter, {
      writer,
      changes,
      lastSyncVersion: null,
      pending,
      keepsConflicts: !changes.some(({ strict }) => strict),
    });
    await along?.(tx, applied, counter);
    await counter.save();
    const written = applied.outcomes.filter(({ decision }) => decision.write !== undefined).length;
    // What others linked to it shows at an entity, too, and its writer has not been given that.
    const linked = registry.some(
      ({ kind, linkKeys }) => linkKeys && changes.some((change) => change.kind === kind),
    );
    const ownOnly = counter.current - counter.before === written && pending.length === 0 && !linked;
    const after = ownOnly ? counter.current : counter.before;
    return { ...applied, syncVersion: await passOwnChanges(tx, writer, { before: counter.before, after }) };
  });
  accounts.observer.decided(result.outcomes);
  return result;
}
