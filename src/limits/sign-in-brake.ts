import { createHmac } from "node:crypto";
import { BoundedKeys } from "./bounded-keys.ts";
import type { Counter } from "./counter.ts";
import type { Counters } from "./counters.ts";
import type { FamiliarPlaces } from "./familiar-places.ts";
import { type Countable, networkOf } from "./network.ts";
import { tooMany } from "./standing.ts";

/** Seconds for which attempts are remembered. */
const window = 15 * 60;
/** Attempts at an account that did not succeed, from all the world together, before strangers are slowed down. */
const freeAttempts = 10;
/** The same from one of the account's own devices, before it counts as a stranger: its id may have got about. */
const deviceAttempts = 20;
/** Seconds that a stranger waits before the first attempt, twice as long after each, and at most. */
const firstPause = 15;
const longestPause = 240;

const ascii = /^[ -~]*$/;

const pauseAfter = (attempts: number) => Math.min(longestPause, firstPause * 2 ** attempts);

/** Somebody who wants to sign in. */
export interface SignInAttempt {
  readonly email: string;
  readonly deviceId: string;
  /** Where it comes from, in canonical form. */
  readonly address: string;
}

/** What is known of an email: whose it is, and whether that account was signed in on the device before. */
export interface KnownAccount {
  readonly userId: string;
  readonly hasDevice: boolean;
}

export interface SignInBrakeParts {
  readonly counters: Counters;
  readonly familiar: FamiliarPlaces;
  readonly secret: () => Promise<Uint8Array>;
  readonly isOn: boolean;
}

/**
 * Slows down who guesses one account's password from many addresses, without locking anybody out. After some attempts
 * that failed, those who are no strangers go on as before: devices of the account, and places that it is signed in from.
 * A stranger has to come back after a pause, and then has one attempt a pause. The pauses are each network's own, so
 * that nobody can use up another's. An email without an account is treated the same.
 */
export class SignInBrake {
  readonly #attempts: Counter;
  readonly #ofDevice: Counter;
  readonly #pauses: Counter;
  readonly #paused: Counter;
  /** Emails and networks are made up as easily as addresses. */
  readonly #emails = new BoundedKeys({ seconds: window });
  readonly #strangers = new BoundedKeys({ seconds: window });
  #secret: Uint8Array | undefined;

  constructor(private readonly parts: SignInBrakeParts) {
    const { counters } = parts;
    this.#attempts = counters.make("sign-in", { requests: freeAttempts, seconds: window });
    this.#ofDevice = counters.make("sign-in-device", { requests: deviceAttempts, seconds: window });
    this.#paused = counters.make("sign-in-paused", { requests: 1, seconds: window });
    this.#pauses = counters.make("sign-in-pause", { requests: 1, seconds: firstPause });
  }

  /**
   * Counts an attempt, before the password is looked at.
   * @param find looks the email's account up; asked only when it matters
   * @returns what to call when the attempt succeeded
   * @throws 429
   */
  async attempt(
    attempt: SignInAttempt,
    find: () => Promise<KnownAccount | undefined>,
  ): Promise<() => Promise<void>> {
    if (!this.parts.isOn) return async () => {};
    const name = await this.#nameOf(attempt.email);
    const key = this.#emails.keyOf({ own: name, site: name, region: name });
    const network = networkOf(attempt.address);
    const { exceeded } = await this.#attempts.take(key);
    if (exceeded && (await this.#isStranger(name, network, attempt.deviceId, await find()))) {
      await this.#pause(name, network);
    }
    return () => this.#attempts.giveBack(key);
  }

  /** Counts that are held in memory. */
  get size(): number {
    return [this.#attempts, this.#ofDevice, this.#pauses, this.#paused].reduce(
      (sum, { size }) => sum + size,
      0,
    );
  }

  async #isStranger(
    name: string,
    { own }: Countable,
    deviceId: string,
    account: KnownAccount | undefined,
  ): Promise<boolean> {
    if (account === undefined) return true;
    if (this.parts.familiar.has(account.userId, own)) return false;
    return !account.hasDevice || (await this.#ofDevice.take(`${name} ${deviceId}`)).exceeded;
  }

  /** One attempt a pause, and none before the first has passed: an address for one guess each is worth nothing. */
  async #pause(name: string, { own, site, region }: Countable): Promise<void> {
    const key = this.#strangers.keyOf({
      own: `${name} ${own}`,
      site: `${name} ${site}`,
      region: `${name} ${region}`,
    });
    const attempts = await this.#paused.used(key);
    const standing = await this.#pauses.take(key, pauseAfter(attempts));
    if (standing.exceeded) throw tooMany(standing);
    await this.#paused.take(key);
    if (attempts === 0) throw tooMany(standing);
  }

  /** An email as it is counted: the same however it is typed, and unreadable to whoever looks into Redis. */
  async #nameOf(email: string): Promise<string> {
    this.#secret ??= await this.parts.secret();
    const typed = email.trim().toLowerCase();
    // Accounts have ASCII only, but a database may find them by other letters, such as a capital i with a dot.
    const name = ascii.test(typed) ? typed : "";
    return createHmac("sha256", this.#secret).update(name).digest("base64url");
  }
}
