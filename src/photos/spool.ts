import { randomUUID } from "node:crypto";
import { type FileHandle, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { AppError, invalid } from "../errors.ts";
import { Garbage } from "../garbage.ts";
import { type MediaType, sniffedBytes, sniffMediaType } from "../images/media-type.ts";
import { toUnavailable } from "../storage/disk-errors.ts";
import { createOwnFile, makeOwnFolders } from "../storage/ownership.ts";

/** A picture on its way: received whole, checked, and not yet stored. It is gone when it goes out of scope. */
export interface SpooledPicture extends AsyncDisposable {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** In hexadecimal. */
  readonly sha256: string;
  readonly mediaType: MediaType;
}

/** Age in milliseconds at which a file was left behind by a server that was killed: nothing is received that slowly. */
const abandonedAfter = 24 * 3600 * 1000;

/** Bytes that are gathered before they are written: phones send them in small pieces. */
const writtenAtOnce = 256 * 1024;

function requirePicture(head: Uint8Array): MediaType {
  const mediaType = sniffMediaType(head);
  if (mediaType) return mediaType;
  throw new AppError("UNSUPPORTED_MEDIA_TYPE", "Send a JPEG, PNG, WebP, HEIC, HEIF, AVIF or GIF picture", {
    details: { file: "is none of the kinds of pictures that are taken" },
  });
}

/** A picture that is being written down. Its kind is known from its first bytes; pieces are small, and gathered. */
class Writing {
  readonly #hasher = new Bun.CryptoHasher("sha256");
  #gathered: Uint8Array[] = [];
  #waiting = 0;
  #mediaType: MediaType | null = null;
  size = 0;

  constructor(private readonly file: FileHandle) {}

  async add(piece: Uint8Array): Promise<void> {
    this.#gathered.push(piece);
    this.#waiting += piece.byteLength;
    this.size += piece.byteLength;
    const isUnknown = this.#mediaType === null && this.#waiting >= sniffedBytes;
    if (isUnknown || this.#waiting >= writtenAtOnce) await this.#flush();
  }

  async end() {
    if (this.size === 0) throw invalid({ file: "is empty" });
    await this.#flush();
    return {
      size: this.size,
      sha256: this.#hasher.digest("hex"),
      mediaType: this.#mediaType as MediaType,
    };
  }

  async #flush(): Promise<void> {
    if (this.#waiting === 0) return;
    // Only the beginnings are copied: a first piece may be large, having waited for who sends it to be known.
    this.#mediaType ??= requirePicture(
      Buffer.concat(this.#gathered.map((piece) => piece.subarray(0, sniffedBytes))).subarray(0, sniffedBytes),
    );
    const pieces = this.#gathered;
    this.#gathered = [];
    this.#waiting = 0;
    for (const piece of pieces) this.#hasher.update(piece);
    for (const piece of pieces) await this.file.writeFile(piece);
  }
}

/**
 * Where pictures are received, on this machine's disk. A phone may take minutes to send one; the storage is only
 * bothered with what has arrived whole and is a picture.
 */
export class Spool {
  readonly #garbage = new Garbage();

  constructor(
    private readonly folder: string,
    /** Bytes of the largest picture that is taken. */
    readonly maxBytes: number,
  ) {}

  /** 413 of a picture that is too large. */
  tooLarge(): AppError {
    return new AppError("PAYLOAD_TOO_LARGE", `The picture is larger than ${this.maxBytes} bytes`);
  }

  /**
   * Receives a picture.
   * @throws 413 as soon as it is too large, 415 as soon as it shows to be no picture, 400 when it is empty, 503 when
   * the disk is full. Nothing is kept then.
   */
  async receive(source: AsyncIterable<Uint8Array>): Promise<SpooledPicture> {
    const path = join(this.folder, randomUUID());
    const dispose = () => rm(path, { force: true });
    try {
      await makeOwnFolders(this.folder);
      return { path, ...(await this.#write(path, source)), [Symbol.asyncDispose]: dispose };
    } catch (error) {
      await dispose().catch(() => {});
      throw toUnavailable(error);
    }
  }

  async #write(path: string, source: AsyncIterable<Uint8Array>) {
    const file = await createOwnFile(path);
    const writing = new Writing(file);
    try {
      for await (const piece of source) {
        this.#garbage.note(piece.byteLength);
        if (writing.size + piece.byteLength > this.maxBytes) throw this.tooLarge();
        await writing.add(piece);
      }
      return await writing.end();
    } finally {
      await file.close();
    }
  }

  /** Removes what servers that were killed left behind. */
  async sweep(): Promise<void> {
    for (const name of await readdir(this.folder).catch(() => [])) {
      const path = join(this.folder, name);
      const modified = (await stat(path).catch(() => null))?.mtimeMs ?? Date.now();
      if (Date.now() - modified > abandonedAfter) await rm(path, { force: true });
    }
  }
}
