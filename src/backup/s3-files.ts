import { AppError } from "../errors.ts";
import { causeOf } from "../storage/away.ts";
import { bytesOf, type Fingerprint, fingerprintOf, isSame } from "../storage/fingerprint.ts";
import { StorageAwayError } from "../storage/inspection.ts";
import { abandon, toStream } from "../storage/pieces.ts";
import type { S3Target } from "../storage/s3-calls.ts";
import { explain, statusOf } from "../storage/s3-errors.ts";
import { S3Storage } from "../storage/s3-storage.ts";
import { BackupError } from "./error.ts";
import type { BackupFiles, FileInfo } from "./files.ts";
import { Watched } from "./watched.ts";

/** Backups in a folder of a bucket. */
export class S3Files implements BackupFiles {
  readonly place: string;
  readonly #storage: S3Storage;
  readonly #folder: string;

  /** @param prefix the folder; slashes around it do not count */
  constructor(
    private readonly target: S3Target,
    prefix: string,
  ) {
    const folder = prefix.replace(/^\/+|\/+$/g, "");
    this.#folder = folder === "" ? "" : `${folder}/`;
    this.#storage = new S3Storage(target);
    this.place = `s3://${target.bucket}/${folder}`;
  }

  async write(name: string, body: ReadableStream<Uint8Array>): Promise<Fingerprint> {
    const key = this.#folder + name;
    const seen = new Watched(body);
    try {
      await this.#storage.put(key, toStream(seen.pieces()), { mediaType: "application/octet-stream" });
    } catch (error) {
      abandon(body);
      throw seen.failure ?? this.#explain(error);
    }
    const written = seen.fingerprint();
    if (await this.#isWritten(key, written)) return written;
    await this.remove(name);
    throw new BackupError("unwritable", `${this.place} does not give back what was written to ${name}`);
  }

  async #isWritten(key: string, written: Fingerprint): Promise<boolean> {
    return this.#inWords(async () => {
      const object = await this.#storage.get(key);
      return object !== null && isSame(await fingerprintOf(bytesOf(object)), written);
    });
  }

  async read(name: string): Promise<ReadableStream<Uint8Array> | null> {
    const object = await this.#inWords(() => this.#storage.get(this.#folder + name));
    return object && toStream(this.#piecesOf(bytesOf(object)));
  }

  async *list(prefix: string): AsyncGenerator<FileInfo> {
    try {
      for await (const { key, size } of this.#storage.list(this.#folder + prefix))
        yield { name: key.slice(this.#folder.length), size };
    } catch (error) {
      throw this.#explain(error);
    }
  }

  async remove(name: string): Promise<void> {
    await this.#inWords(() => this.#storage.delete(this.#folder + name));
  }

  /**
   * Nothing here: a lock in a bucket would have to run out by the clock, and a slow writer would lose it unawares. A
   * bucket belongs to one place of backups, and whoever writes holds that one's lock.
   */
  async lock(): Promise<() => Promise<void>> {
    return async () => {};
  }

  async close(): Promise<void> {
    await this.#storage.close();
  }

  async *#piecesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
    try {
      yield* body;
    } catch (error) {
      throw this.#explain(error);
    }
  }

  async #inWords<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw this.#explain(error);
    }
  }

  /** Tells a bucket that refuses from a server that is away. */
  #explain(error: unknown): unknown {
    if (!(error instanceof AppError)) return error;
    const cause = causeOf(error);
    const { message } = explain(cause, this.target.bucket, this.target.endpoint, "S3 backups");
    const status = statusOf(cause);
    const isRefusal = (status !== undefined && status < 500) || (cause as Error).name === "XMinioStorageFull";
    return isRefusal
      ? new BackupError("unwritable", message, { cause })
      : new StorageAwayError(message, { cause });
  }
}
