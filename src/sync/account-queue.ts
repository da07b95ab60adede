import { sql } from "drizzle-orm";
import type { Database, Transaction } from "../database/client.ts";
import { unavailable } from "../errors.ts";
import { type SyncObserver, unobserved } from "./sync-observer.ts";

/** Writes of one account that may wait; a phone that is sent away comes back. */
const longestQueue = 50;
/** Longest wait for a lock that another server holds, in milliseconds. */
const lockTimeout = 10_000;

/**
 * Transactions that write for an account, one at a time. They would wait for each other at the counter's lock anyway;
 * here they do it before each has taken one of the few connections, so that a busy account starves no other.
 */
export class AccountQueue {
  readonly #waiting = new Map<string, { last: Promise<unknown>; length: number }>();

  constructor(
    readonly db: Database,
    /** Told of what they wrote. */
    readonly observer: SyncObserver = unobserved,
  ) {}

  /** @throws 503 when too many wait already; what the work throws. */
  async transaction<T>(userId: string, work: (tx: Transaction) => Promise<T>): Promise<T> {
    const queue = this.#waiting.get(userId) ?? { last: Promise.resolve(), length: 0 };
    if (queue.length >= longestQueue) throw unavailable("This account is busy; try again in a moment");
    this.#waiting.set(userId, queue);
    queue.length++;
    const turn = queue.last.then(() => this.#run(work));
    queue.last = turn.catch(() => {});
    try {
      return await turn;
    } finally {
      if (--queue.length === 0) this.#waiting.delete(userId);
    }
  }

  #run<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    return this.db.transaction(async (tx) => {
      await tx.execute(sql.raw(`SET LOCAL lock_timeout = ${lockTimeout}`));
      return work(tx);
    });
  }
}
