import { sql } from "drizzle-orm";
import type { Queryable, Transaction } from "../database/client.ts";
import { unauthorized } from "../errors.ts";
import { largestLift } from "./schemas.ts";

/**
 * Versions that no phone can have seen, where an account is as it was before: above the highest by more than any account
 * makes in the time between backups (sync.md, Restore).
 */
export const counterLift = 1_000_000;

interface CounterRow extends Record<string, unknown> {
  version: number;
  epoch: string;
  hasEnvelopes: boolean;
}

/** The account's counter, locked until the transaction ends. */
export interface Counter {
  /** The newest version before this transaction. */
  readonly before: number;
  /** The newest version, with what this transaction took. */
  readonly current: number;
  readonly epoch: string;
  /** Whether the account has envelopes, with those that this transaction writes. */
  readonly hasEnvelopes: boolean;
  /** Takes the next number. */
  next(): number;
  /** This transaction writes envelopes. */
  noteEnvelopes(): void;
  /** Writes down what was taken; the last thing before commit. */
  save(): Promise<void>;
}

async function read(tx: Queryable, userId: string, lock: boolean): Promise<CounterRow> {
  const [row] = await tx.execute<CounterRow>(sql`
    SELECT version, epoch, has_envelopes AS "hasEnvelopes" FROM sync_versions
    WHERE user_id = ${userId} ${lock ? sql`FOR UPDATE` : sql``}`);
  // The account was erased after the request had signed in.
  if (!row) throw unauthorized();
  return row;
}

/** The account's newest version and epoch as this statement's snapshot has them; nothing is locked. */
export const readCounter = (tx: Queryable, userId: string): Promise<CounterRow> => read(tx, userId, false);

/**
 * Locks the account's counter: the first thing that every transaction does which changes an entity, so that
 * versions become visible in the order in which they were given out (I1).
 * @param floor a version that somebody has seen; the counter is lifted above it where it is behind (I10)
 */
export async function lockCounter(tx: Transaction, userId: string, floor = 0): Promise<Counter> {
  const row = await read(tx, userId, true);
  let current = row.version < floor && floor <= largestLift ? floor + 1 : row.version;
  let { hasEnvelopes } = row;
  return {
    before: row.version,
    epoch: row.epoch,
    get hasEnvelopes() {
      return hasEnvelopes;
    },
    get current() {
      return current;
    },
    next: () => ++current,
    noteEnvelopes() {
      hasEnvelopes = true;
    },
    async save() {
      if (current === row.version && hasEnvelopes === row.hasEnvelopes) return;
      await tx.execute(sql`
        UPDATE sync_versions SET version = ${current}, has_envelopes = ${hasEnvelopes} WHERE user_id = ${userId}`);
    },
  };
}
