import { randomUUID } from "node:crypto";
import { mkdir, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { toUnavailable } from "../../storage/disk-errors.ts";

/** Whatever a picture comes as. A Blob with a name is a file of that path. */
export type Source = (Blob & { readonly name?: string }) | ReadableStream<Uint8Array>;

/** Files that a decoding process reads and writes, on this machine's disk. They are gone with what they are for. */
export class DecoderFiles implements AsyncDisposable {
  readonly #paths: string[] = [];

  private constructor(private readonly folder: string) {}

  /** @throws 503 when the disk cannot be written to */
  static async within(folder: string): Promise<DecoderFiles> {
    await mkdir(folder, { recursive: true, mode: 0o700 }).catch((error) => {
      throw toUnavailable(error);
    });
    return new DecoderFiles(folder);
  }

  /** A path under which there is nothing yet. */
  newPath(): string {
    const path = join(this.folder, randomUUID());
    this.#paths.push(path);
    return path;
  }

  /**
   * The path of a file with these bytes: their own, or that of a copy.
   * @throws 503 when the disk is full, or the signal's reason
   */
  async pathOf(source: Source, signal: AbortSignal): Promise<string> {
    if (source instanceof Blob && source.name) return source.name;
    const path = this.newPath();
    try {
      await copy(source instanceof Blob ? source.stream() : source, path, signal);
    } catch (error) {
      throw toUnavailable(error);
    }
    return path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#paths.map((path) => rm(path, { force: true }).catch(() => {})));
  }
}

async function copy(source: ReadableStream<Uint8Array>, path: string, signal: AbortSignal): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    for await (const bytes of source) {
      signal.throwIfAborted();
      await file.writeFile(bytes);
    }
  } finally {
    await file.close();
  }
}
