import { jwt } from "@elysiajs/jwt";
import type { SigningKeys } from "./signing-keys.ts";

export interface KeyRingOptions {
  readonly load: () => Promise<SigningKeys>;
  readonly issuer: string;
  readonly audience: string;
  /** Milliseconds on a clock that never runs backwards. */
  readonly now?: () => number;
}

const algorithm = "HS256";

/** Milliseconds after which the keys are read again: a key that another process retired is good for that long. */
const refreshAfter = 60_000;
/** Milliseconds between two readings at least, however many tokens with unknown keys come in. */
const notAgainWithin = 3_000;

function signerOf({ id, secret }: SigningKeys["current"], { issuer, audience }: KeyRingOptions) {
  return jwt({ name: "token", secret, kid: id, alg: algorithm, iss: issuer, aud: audience }).decorator.token;
}
type Signer = ReturnType<typeof signerOf>;

interface Ring {
  readonly current: Signer;
  readonly byId: ReadonlyMap<string, Signer>;
  readonly readAt: number;
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
  #ring: Promise<Ring> | undefined;

  constructor(readonly options: KeyRingOptions) {}

  /** @param expiresAt seconds since 1970 */
  async sign(claims: Record<string, string>, expiresAt: number): Promise<string> {
    const { current } = await this.#notOlderThan(refreshAfter);
    return current.sign({ ...claims, exp: expiresAt });
  }

  /** The claims of a token that one of our keys signed for us and that has not expired; else undefined. */
  async verify(token: string): Promise<Record<string, unknown> | undefined> {
    const keyId = keyIdOf(token);
    if (keyId === undefined) return undefined;
    const known = (await this.#notOlderThan(refreshAfter)).byId.get(keyId);
    const signer = known ?? (await this.#notOlderThan(notAgainWithin)).byId.get(keyId);
    const { issuer, audience } = this.options;
    const claims = await signer?.verify(token, {
      issuer,
      audience,
      algorithms: [algorithm],
      requiredClaims: ["exp"],
    });
    return claims || undefined;
  }

  /** The ring as it was read at most so long ago. Whoever asks while it is being read waits for the same reading. */
  async #notOlderThan(age: number): Promise<Ring> {
    const now = this.options.now ?? performance.now.bind(performance);
    const before = this.#ring;
    const ring = await before;
    if (ring && now() - ring.readAt < age) return ring;
    if (this.#ring === before) {
      this.#ring = this.#read(now());
      // A reading that failed is not kept, so that the next request tries again.
      this.#ring.catch(() => {
        this.#ring = before;
      });
    }
    return this.#ring as Promise<Ring>;
  }

  async #read(readAt: number): Promise<Ring> {
    const { current, all } = await this.options.load();
    const byId = new Map(all.map((key) => [key.id, signerOf(key, this.options)]));
    return { current: byId.get(current.id) as Signer, byId, readAt };
  }
}
