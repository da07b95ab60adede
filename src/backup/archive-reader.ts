import type { Readable } from "node:stream";
import { type Entry, openPromise, type ZipFile } from "yauzl";
import { codeOf } from "../storage/disk-errors.ts";
import { toStream } from "../storage/pieces.ts";
import { BackupError } from "./error.ts";
import type { BackupFiles, FileInfo } from "./files.ts";

const readOnly = (place: string) =>
  new BackupError("refused", `${place} cannot be changed: it is an archive`);

/** Backups in a zip file, to be read. */
export class ArchiveReader implements BackupFiles {
  readonly isReadOnly = true;

  constructor(
    readonly place: string,
    private readonly zip: ZipFile,
    private readonly entries: ReadonlyMap<string, Entry>,
  ) {}

  async read(name: string): Promise<ReadableStream<Uint8Array> | null> {
    const entry = this.entries.get(name);
    if (!entry) return null;
    try {
      return toStream(this.#piecesOf(await this.zip.openReadStreamPromise(entry)));
    } catch (error) {
      throw this.#explain(error);
    }
  }

  async *list(prefix: string): AsyncGenerator<FileInfo> {
    for (const [name, { uncompressedSize }] of this.entries)
      if (name.startsWith(prefix)) yield { name, size: uncompressedSize };
  }

  async write(): Promise<never> {
    throw readOnly(this.place);
  }

  async remove(): Promise<never> {
    throw readOnly(this.place);
  }

  async lock(): Promise<() => Promise<void>> {
    return async () => {};
  }

  async close(): Promise<void> {
    this.zip.close();
  }

  async *#piecesOf(readable: Readable): AsyncGenerator<Uint8Array> {
    try {
      for await (const piece of readable) yield piece;
    } catch (error) {
      throw this.#explain(error);
    }
  }

  #explain(error: unknown): BackupError {
    return explain(this.place, error);
  }
}

function explain(path: string, error: unknown): BackupError {
  const code = codeOf(error);
  if (code === "ENOENT") return new BackupError("refused", `There is no file ${path}`, { cause: error });
  if (typeof code === "string")
    return new BackupError("unwritable", `${path} cannot be read (${code})`, { cause: error });
  return new BackupError("damaged", `${path} is damaged, cut off, or no archive of backups`, {
    cause: error,
  });
}

/** Opens an archive. @throws BackupError */
export async function openArchive(path: string): Promise<ArchiveReader> {
  try {
    const zip = await openPromise(path, { autoClose: false });
    const entries = new Map<string, Entry>();
    for await (const entry of zip.eachEntry()) entries.set(entry.fileName, entry);
    return new ArchiveReader(path, zip, entries);
  } catch (error) {
    throw explain(path, error);
  }
}
