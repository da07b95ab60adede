import { randomUUID } from "node:crypto";
import { mkdir, open, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { AppError, invalid } from "../errors.ts";
import { type MediaType, sniffedBytes, sniffMediaType } from "./media-type.ts";

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

/** Gathers pieces until they are worth a write. */
class Gathered {
  #pieces: Uint8Array[] = [];
  size = 0;

  add(piece: Uint8Array): void {
    this.#pieces.push(piece);
    this.size += piece.byteLength;
  }

  take(): Uint8Array {
    const bytes = this.#pieces.length === 1 ? (this.#pieces[0] as Uint8Array) : Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.size = 0;
    return bytes;
  }
}

/**
 * Where pictures are received, on this machine's disk. A phone may take minutes to send one; the storage is only
 * bothered with what has arrived whole and is a picture.
 */
export class Spool {
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
    await mkdir(this.folder, { recursive: true, mode: 0o700 });
    const path = join(this.folder, randomUUID());
    const dispose = () => rm(path, { force: true });
    try {
      return { path, ...(await this.#write(path, source)), [Symbol.asyncDispose]: dispose };
    } catch (error) {
      await dispose();
      throw error;
    }
  }

  async #write(path: string, source: AsyncIterable<Uint8Array>) {
    const hasher = new Bun.CryptoHasher("sha256");
    const gathered = new Gathered();
    let size = 0;
    let mediaType: MediaType | null = null;
    const file = await open(path, "wx", 0o600);
    const flush = async () => {
      const bytes = gathered.take();
      mediaType ??= requirePicture(bytes.subarray(0, sniffedBytes));
      hasher.update(bytes);
      await file.writeFile(bytes);
    };
    try {
      for await (const piece of source) {
        size += piece.byteLength;
        if (size > this.maxBytes) throw this.tooLarge();
        gathered.add(piece);
        const known = mediaType !== null || gathered.size < sniffedBytes;
        if (gathered.size >= writtenAtOnce || !known) await flush();
      }
      if (size === 0) throw invalid({ file: "is empty" });
      if (gathered.size > 0) await flush();
    } finally {
      await file.close();
    }
    return { size, sha256: hasher.digest("hex"), mediaType: mediaType as unknown as MediaType };
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
