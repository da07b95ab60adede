import { once } from "node:events";
import { Readable } from "node:stream";
import { ZipArchive } from "archiver";
import { Garbage } from "../garbage.ts";
import type { Fingerprint } from "../storage/fingerprint.ts";
import { toStream } from "../storage/pieces.ts";

/** Bytes that are handed to the archive at once: texts come in smaller pieces, a line at a time. */
const pieceSize = 64 * 1024;

/** Bytes after which what they left behind is collected: each is copied several times on its way. */
const collectedEvery = 8 * 1024 * 1024;

/** Pieces of text or bytes, gathered into larger ones. */
async function* gather(content: AsyncIterable<Uint8Array | string>): AsyncGenerator<Uint8Array> {
  let text = "";
  for await (const piece of content) {
    if (typeof piece !== "string") {
      if (text !== "") yield Buffer.from(text);
      text = "";
      yield piece;
    } else {
      text += piece;
      if (text.length < pieceSize) continue;
      yield Buffer.from(text);
      text = "";
    }
  }
  if (text !== "") yield Buffer.from(text);
}

/** Some text as the content of a file. */
export async function* textContent(text: string): AsyncGenerator<string> {
  yield text;
}

/** Whoever took the archive has stopped; why, they say themselves. */
class Unread extends Error {}

/**
 * A zip file that is read while it is written, no faster than somebody takes its bytes. Nothing of it lies anywhere but the
 * few pieces that are on their way. Whatever fails, fails both sides.
 */
export class Archive {
  /** The file. It fails before its end when what goes into it does. */
  readonly bytes: ReadableStream<Uint8Array>;
  /** What went wrong first. */
  failure: unknown;
  readonly #zip = new ZipArchive({ zlib: { level: 6 } });
  readonly #broken = Promise.withResolvers<never>();
  readonly #garbage = new Garbage(collectedEvery);
  readonly #hasher = new Bun.CryptoHasher("sha256");
  #size = 0;

  constructor() {
    this.#broken.promise.catch(() => {});
    this.#zip.on("error", (error) => this.fail(error));
    this.bytes = toStream(this.#watched());
  }

  /** Breaks it off, for whoever reads and whoever writes. */
  fail(error: unknown): void {
    if (this.failure === undefined || this.failure instanceof Unread) this.failure = error;
    this.#broken.reject(this.failure);
    this.#zip.destroy();
  }

  /**
   * Adds a file, and waits until it is in. One at a time.
   * @param file.date ISO instant that it bears @param file.isPacked whether it is compressed already
   * @throws what its content throws, or why the archive is not written any more
   */
  async add(
    file: { name: string; date: string; isPacked?: boolean },
    content: AsyncIterable<Uint8Array | string>,
  ): Promise<void> {
    const source = Readable.from(this.#noted(gather(content)), { objectMode: false });
    source.on("error", (error) => this.fail(error));
    const added = once(this.#zip, "entry");
    added.catch(() => {});
    const { name, isPacked = false } = file;
    this.#zip.append(source, { name, date: new Date(file.date), mode: 0o644, store: isPacked });
    try {
      await Promise.race([added, this.#broken.promise]);
    } finally {
      source.destroy();
    }
  }

  /** There is no more to come. */
  async end(): Promise<void> {
    await Promise.race([this.#zip.finalize(), this.#broken.promise]);
  }

  /** What the whole file is; to be asked once, when it has been read. */
  fingerprint(): Fingerprint {
    return { size: this.#size, sha256: this.#hasher.digest("hex") };
  }

  async *#noted(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const piece of content) {
      this.#garbage.note(piece.byteLength);
      yield piece;
    }
  }

  async *#watched(): AsyncGenerator<Uint8Array> {
    let isWhole = false;
    try {
      for await (const piece of this.#zip as AsyncIterable<Uint8Array>) {
        this.#hasher.update(piece);
        this.#size += piece.byteLength;
        yield piece;
      }
      if (this.failure !== undefined) throw this.failure;
      isWhole = true;
    } catch (error) {
      throw this.failure ?? error;
    } finally {
      if (!isWhole) this.fail(new Unread("the archive is not read any more"));
    }
  }
}
