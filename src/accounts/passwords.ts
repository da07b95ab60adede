import type { PasswordHasher } from "./password-hasher.ts";
import { Turnstile } from "./turnstile.ts";

/** Hashes at once at most: each takes 19 MiB and a core, and a household's server has few of both. */
const atOnce = 2;
/** Beyond this many the wait would outlast a phone's patience of 30 seconds on a slow machine. */
const longestLine = 100;

/** Hashing and checking of passwords, a few at a time. */
export class Passwords {
  readonly #turnstile = new Turnstile(atOnce, longestLine);
  readonly #nobodys: string;

  constructor(readonly hasher: PasswordHasher) {
    this.#nobodys = hasher.unmatchable();
  }

  /** @throws 503 when too many are waiting already. */
  hash(password: string): Promise<string> {
    return this.#turnstile.run(() => this.hasher.hash(password));
  }

  /**
   * Checks a password. Without a stored hash (no such account) it works as long, and says no.
   * @throws 503 when too many are waiting already.
   */
  async verify(password: string, hash: string | undefined): Promise<boolean> {
    const fits = await this.#turnstile.run(() => this.hasher.verify(password, hash ?? this.#nobodys));
    return fits && hash !== undefined;
  }

  isOutdated(hash: string): boolean {
    return this.hasher.isOutdated(hash);
  }
}
