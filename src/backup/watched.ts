import type { Fingerprint } from "../storage/fingerprint.ts";

/** A stream on its way: what it adds up to, and whether it was its source that failed. */
export class Watched {
  /** What the source threw. */
  failure: unknown;
  #size = 0;
  readonly #hasher = new Bun.CryptoHasher("sha256");

  constructor(private readonly source: ReadableStream<Uint8Array>) {}

  async *pieces(): AsyncGenerator<Uint8Array> {
    try {
      for await (const piece of this.source) {
        this.#hasher.update(piece);
        this.#size += piece.byteLength;
        yield piece;
      }
    } catch (error) {
      this.failure = error;
      throw error;
    }
  }

  /** Of all that has passed; to be asked once. */
  fingerprint(): Fingerprint {
    return { size: this.#size, sha256: this.#hasher.digest("hex") };
  }
}
