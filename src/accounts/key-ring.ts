import { jwt } from "@elysiajs/jwt";
import { ReadingBudget } from "./reading-budget.ts";
import type { SigningKeys } from "./signing-keys.ts";

export interface KeyRingOptions {
  readonly load: () => Promise<SigningKeys>;
  readonly issuer: string;
  readonly audience: string;
  /** Milliseconds on a clock that never runs backwards. */
  readonly now?: () => number;
  /** Waits so many milliseconds of that clock. */
  readonly pause?: (milliseconds: number) => Promise<unknown>;
}

const algorithm = "HS256";

/** Milliseconds after which the keys are read again: where no news arrives, a key that ended is good for that long. */
const refreshAfter = 60_000;

function signerOf({ id, secret }: SigningKeys["current"], { issuer, audience }: KeyRingOptions) {
  return jwt({ name: "token", secret, kid: id, alg: algorithm, iss: issuer, aud: audience }).decorator.token;
}
type Signer = ReturnType<typeof signerOf>;

interface Ring {
  readonly current: Signer;
  readonly byId: ReadonlyMap<string, Signer>;
  /** When its reading began. */
  readonly readAt: number;
  /** How many readings had begun by then, itself included. */
  readonly number: number;
}

function keyIdOf(token: string): string | undefined {
  try {
    const header = JSON.parse(Buffer.from(token.split(".", 1)[0] ?? "", "base64url").toString());
    return typeof header?.kid === "string" ? header.kid : undefined;
  } catch {
    return undefined;
  }
}

/** Signs and checks tokens with the keys in force. */
export class KeyRing {
  readonly #now: () => number;
  readonly #budget: ReadingBudget;
  /** The last reading that was begun; not kept when it failed. */
  #reading: Promise<Ring> | undefined;
  /** The newest that was read. */
  #ring: Ring | undefined;
  /** A reading for tokens with unknown keys, which waits for its time. */
  #next: Promise<Ring> | undefined;
  #begun = 0;

  constructor(readonly options: KeyRingOptions) {
    this.#now = options.now ?? performance.now.bind(performance);
    this.#budget = new ReadingBudget({ now: this.#now, pause: options.pause ?? Bun.sleep });
  }

  /** @param expiresAt seconds since 1970 */
  async sign(claims: Record<string, string>, expiresAt: number): Promise<string> {
    const { current } = await this.#recent();
    return current.sign({ ...claims, exp: expiresAt });
  }

  /** The claims of a token that one of our keys signed for us and that has not expired; else undefined. */
  async verify(token: string): Promise<Record<string, unknown> | undefined> {
    const keyId = keyIdOf(token);
    const signer = keyId === undefined ? undefined : await this.#find(keyId);
    const { issuer, audience } = this.options;
    const claims = await signer?.verify(token, {
      issuer,
      audience,
      algorithms: [algorithm],
      requiredClaims: ["exp"],
    });
    return claims || undefined;
  }

  /** Reads the keys now: somebody has changed them. */
  async refresh(): Promise<void> {
    await this.#read();
  }

  /**
   * Another server may have signed with a key that it made a moment ago: a key counts as unknown only after a reading
   * that began when the token was here already.
   */
  async #find(keyId: string): Promise<Signer | undefined> {
    const begunBefore = this.#begun;
    const ring = await this.#recent();
    const known = ring.byId.get(keyId);
    if (known || ring.number > begunBefore) return known;
    return (await this.#afterNow()).byId.get(keyId);
  }

  /** The ring, at most a minute old. Whoever asks while it is being read waits for the same reading. */
  async #recent(): Promise<Ring> {
    const ring = this.#ring;
    if (ring && this.#now() - ring.readAt < refreshAfter) return ring;
    return this.#reading ?? this.#read();
  }

  /** A reading that has not begun yet, one for all who wait for it. It begins when the one before is over. */
  #afterNow(): Promise<Ring> {
    this.#next ??= this.#inTurn();
    return this.#next;
  }

  async #inTurn(): Promise<Ring> {
    await Promise.allSettled([this.#reading, this.#budget.take()]);
    this.#next = undefined;
    return this.#read();
  }

  #read(): Promise<Ring> {
    const reading = this.#load(++this.#begun, this.#now());
    this.#reading = reading;
    const over = () => {
      if (this.#reading === reading) this.#reading = undefined;
    };
    reading.then(over, over);
    return reading;
  }

  async #load(number: number, readAt: number): Promise<Ring> {
    const { current, all } = await this.options.load();
    const byId = new Map(all.map((key) => [key.id, signerOf(key, this.options)]));
    const ring = { current: byId.get(current.id) as Signer, byId, readAt, number };
    // Of two readings at once, the one that began later knows more, whichever is over first.
    if (!this.#ring || number > this.#ring.number) this.#ring = ring;
    return ring;
  }
}
