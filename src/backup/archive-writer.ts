import { once } from "node:events";
import {
  closeSync,
  createReadStream,
  createWriteStream,
  ftruncateSync,
  openSync,
  type WriteStream,
} from "node:fs";
import { rename, rm } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { Readable } from "node:stream";
import { ZipArchive } from "archiver";
import { tryLockExclusively } from "../database/embedded/libc.ts";
import { Garbage } from "../garbage.ts";
import { sync } from "../storage/disk-writes.ts";
import type { Fingerprint } from "../storage/fingerprint.ts";
import { BackupError } from "./error.ts";
import type { BackupFiles, FileInfo } from "./files.ts";
import { inDiskWords, writeDown } from "./local-files.ts";

/**
 * One backup in a zip file that is being written. What an archive takes in it cannot give back or take out again, so
 * each file lies beside it until it is whole. Nothing is read or compared before the end: `seal`, read, `publish`.
 */
export class ArchiveWriter implements BackupFiles {
  readonly #zip = new ZipArchive({ store: true, forceZip64: true });
  readonly #out: WriteStream;
  readonly #garbage = new Garbage();
  /** Rejects when the archive cannot be written to. */
  readonly #broken = Promise.withResolvers<never>();
  #last: Promise<unknown> = Promise.resolve();

  private constructor(
    readonly place: string,
    /** Open until the archive has its name, and locked. */
    private readonly fd: number,
  ) {
    this.#broken.promise.catch(() => {});
    this.#out = createWriteStream(this.partial, { flags: "r+" });
    for (const part of [this.#out, this.#zip]) part.on("error", this.#broken.reject);
    this.#zip.pipe(this.#out);
  }

  /** @throws BackupError busy, unwritable */
  static async begin(path: string): Promise<ArchiveWriter> {
    const place = resolve(path);
    const fd = await inDiskWords(place, async () => openSync(`${place}.partial`, "a", 0o600));
    if (tryLockExclusively(fd)) {
      // What a writer has left that was cut off.
      ftruncateSync(fd);
      return new ArchiveWriter(place, fd);
    }
    closeSync(fd);
    throw new BackupError("busy", `Another backup is being written to ${place}`);
  }

  /** Where the archive is until it is whole. */
  get partial(): string {
    return `${this.place}.partial`;
  }

  /** One after the other. */
  write(name: string, body: ReadableStream<Uint8Array>): Promise<Fingerprint> {
    const writing = this.#last.then(() => this.#add(name, body));
    this.#last = writing.catch(() => {});
    return writing;
  }

  async #add(name: string, body: ReadableStream<Uint8Array>): Promise<Fingerprint> {
    const piece = `${this.place}.piece`;
    try {
      const written = await writeDown(this.place, piece, body, this.#garbage);
      const source = Readable.from(this.#noted(createReadStream(piece)), { objectMode: false });
      source.on("error", this.#broken.reject);
      const added = once(this.#zip, "entry");
      added.catch(() => {});
      this.#zip.append(source, { name, mode: 0o600 });
      await this.#unlessBroken(added);
      return written;
    } finally {
      await rm(piece, { force: true }).catch(() => {});
    }
  }

  async *#noted(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const piece of pieces) {
      this.#garbage.note(4 * piece.byteLength);
      yield piece;
    }
  }

  /** Writes the table of contents, and waits until all is on disk. */
  async seal(): Promise<void> {
    const closed = once(this.#out, "close");
    closed.catch(() => {});
    const sealed = async () => {
      await this.#zip.finalize();
      await closed;
      await sync(this.partial);
    };
    await this.#unlessBroken(sealed());
  }

  /** Gives the archive its name, in the place of whatever has it. */
  async publish(): Promise<void> {
    await inDiskWords(this.place, async () => {
      await rename(this.partial, this.place);
      await sync(dirname(this.place));
    });
  }

  /** Removes what has no name yet, and lets go of it. */
  async close(): Promise<void> {
    this.#out.destroy();
    await rm(this.partial, { force: true }).catch(() => {});
    closeSync(this.fd);
  }

  /** An archive begins empty. */
  async read(): Promise<null> {
    return null;
  }

  async *list(): AsyncGenerator<FileInfo> {}

  async remove(): Promise<never> {
    throw new Error("nothing can be taken out of an archive");
  }

  async lock(): Promise<() => Promise<void>> {
    return async () => {};
  }

  #unlessBroken<T>(work: Promise<T>): Promise<T> {
    return inDiskWords(this.place, () => Promise.race([work, this.#broken.promise]));
  }
}
