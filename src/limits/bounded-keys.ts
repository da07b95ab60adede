import type { Countable } from "./network.ts";

/** Networks that have a count of their own at once. A household has a handful, a busy server some thousands. */
const mostKeys = 10_000;
/** Networks of one site among them: more than a real one has phones in at once. */
const mostOfSite = 16;
/** Counts that all others share, by region: of an attacker's region there are few, of the owner's mostly others. */
const sharedKeys = 1_024;

export interface BoundedKeysOptions {
  /** Length of the window of what is counted, in seconds. */
  readonly seconds: number;
  /** Milliseconds on a clock that never runs backwards. */
  readonly now?: () => number;
}

/**
 * Decides which key a network is counted under, so that made-up addresses neither escape a limit nor fill the memory:
 * beyond a number, newcomers of a site share one count, and beyond that those of a region. Whoever is counted already
 * keeps their own count until a window is over. There are at most twice as many keys alive as are given out in one.
 */
export class BoundedKeys {
  readonly #now: () => number;
  readonly #milliseconds: number;
  /** Nobody can choose addresses that share a count with somebody whom they want to shut out. */
  readonly #seed = crypto.getRandomValues(new BigUint64Array(1))[0] as bigint;
  readonly #given = new Set<string>();
  readonly #ofSite = new Map<string, number>();
  #since: number;

  constructor({ seconds, now = performance.now.bind(performance) }: BoundedKeysOptions) {
    this.#now = now;
    this.#milliseconds = seconds * 1000;
    this.#since = now();
  }

  keyOf({ own, site, region }: Countable): string {
    this.#beginAnew();
    if (this.#given.has(own) || this.#give(own, site)) return own;
    if (this.#given.has(site) || this.#give(site, site)) return site;
    return `shared ${Bun.hash.wyhash(region, this.#seed) % BigInt(sharedKeys)}`;
  }

  #beginAnew(): void {
    if (this.#now() - this.#since < this.#milliseconds) return;
    this.#since = this.#now();
    this.#given.clear();
    this.#ofSite.clear();
  }

  #give(key: string, site: string): boolean {
    const ofSite = this.#ofSite.get(site) ?? 0;
    if (this.#given.size >= mostKeys || (key !== site && ofSite >= mostOfSite)) return false;
    this.#given.add(key);
    if (key !== site) this.#ofSite.set(site, ofSite + 1);
    return true;
  }
}
