import type { ObjectStorage, OpenObject } from "./storage.ts";

/** What tells the bytes of two objects apart. */
export interface Fingerprint {
  /** Bytes. */
  readonly size: number;
  /** In hexadecimal. */
  readonly sha256: string;
}

export const isSame = (one: Fingerprint, other: Fingerprint): boolean =>
  one.size === other.size && one.sha256 === other.sha256;

/** An object's bytes, as a stream in any case. */
export const bytesOf = ({ body }: OpenObject): ReadableStream<Uint8Array> =>
  body instanceof Blob ? body.stream() : body;

/** Reads an object to its end. @returns null when there is no such object */
export async function readFingerprint(storage: ObjectStorage, key: string): Promise<Fingerprint | null> {
  const object = await storage.get(key);
  return object && fingerprintOf(bytesOf(object));
}

/** Reads a stream to its end. */
export async function fingerprintOf(stream: AsyncIterable<Uint8Array>): Promise<Fingerprint> {
  const hasher = new Bun.CryptoHasher("sha256");
  let size = 0;
  for await (const piece of stream) {
    hasher.update(piece);
    size += piece.byteLength;
  }
  return { size, sha256: hasher.digest("hex") };
}

/** A stream that fails before its end unless its bytes are those that were promised: whoever stores it keeps nothing. */
export class PromisedBytes {
  readonly stream: ReadableStream<Uint8Array>;
  /** Why it failed, if it did; storages may tell of it in words of their own. Who is not read to the end has not failed. */
  failure: Error | undefined;
  #isAbandoned = false;
  #left: number;
  readonly #hasher = new Bun.CryptoHasher("sha256");

  constructor(
    source: ReadableStream<Uint8Array>,
    readonly promised: Fingerprint,
  ) {
    this.#left = promised.size;
    const reader = source.getReader() as ReadableStreamDefaultReader<Uint8Array>;
    this.stream = new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          const piece = await this.#next(reader);
          if (piece) controller.enqueue(piece);
          else controller.close();
        },
        cancel: (reason) => {
          this.#isAbandoned = true;
          return reader.cancel(reason);
        },
      },
      { highWaterMark: 0 },
    );
  }

  async #next(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<Uint8Array | undefined> {
    const { value } = await reader.read().catch((error) => this.#fail(error));
    this.#left -= value?.byteLength ?? 0;
    if (value) this.#hasher.update(value);
    // The last bytes are held back until it is known what they make.
    const isWhole = this.#left === 0 && (value || this.#left === this.promised.size);
    if (this.#left < 0) void reader.cancel().catch(() => {});
    if (this.#left < 0 || (!value && this.#left > 0)) this.#fail(new Error("bytes are missing, or too many"));
    if (isWhole && this.#hasher.digest("hex") !== this.promised.sha256) this.#fail(new Error("bytes differ"));
    return value;
  }

  #fail(error: Error): never {
    if (!this.#isAbandoned) this.failure = error;
    throw error;
  }
}
