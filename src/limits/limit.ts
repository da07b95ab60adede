import type { Rate } from "../config/rate.ts";
import { BoundedKeys } from "./bounded-keys.ts";
import type { Counter } from "./counter.ts";
import type { Counters } from "./counters.ts";
import type { Countable } from "./network.ts";
import type { Standing } from "./standing.ts";

/** A request that was counted. */
export interface Counted {
  readonly standing: Standing;
  giveBack(): Promise<void>;
}

/** One limit: so many requests in so long a window, for each account and for each client address. */
export class Limit {
  readonly #counter: Counter;
  readonly #keys: BoundedKeys;

  constructor(counters: Counters, name: string, rate: Rate) {
    this.#counter = counters.make(name, rate);
    this.#keys = new BoundedKeys(rate);
  }

  /** Accounts are real: there are no more of them than there are. */
  ofAccount(accountId: string): Promise<Counted> {
    return this.#count(`account ${accountId}`);
  }

  ofAddress(network: Countable): Promise<Counted> {
    return this.#count(this.#keys.keyOf(network));
  }

  /** Counts that are held in memory. */
  get size(): number {
    return this.#counter.size;
  }

  async #count(key: string): Promise<Counted> {
    const standing = await this.#counter.take(key);
    return { standing, giveBack: () => this.#counter.giveBack(key) };
  }
}
