import { stat } from "node:fs/promises";
import type { Readable } from "node:stream";
import { crc32 } from "node:zlib";
import { Entry, openPromise, type ZipFile } from "yauzl";
import { Garbage } from "../../garbage.ts";
import { codeOf } from "../../storage/disk-errors.ts";
import { ImportError, printable } from "./import-error.ts";

/** Files in an archive at most, and characters of a name. Each file takes a few hundred bytes of memory. */
export const mostEntries = 250_000;
const longestName = 1000;

/**
 * How much larger than the archive its lists, and its pictures, may be together. Rows of one account are much alike and shrink
 * to a tenth, pictures hardly at all; what shrinks more than this was made to fill disks.
 */
const largestExpansion = { text: 100, pictures: 4 } as const;
/** Bytes that are no matter in any case. */
const harmlessBytes = 256 * 1024 * 1024;

/** Bytes of a file that is read as a whole. A picture takes 150 of them in `export.json`. */
const longestText = 48 * 1024 * 1024;

/** A file of the archive cannot be read to its end, or is not what was written. */
export class DamagedEntry extends Error {}

/** Only what it takes to read a file: the library keeps much more of each, and there may be a million. */
function lean(entry: Entry): Entry {
  const { compressedSize, uncompressedSize, compressionMethod, crc32: checksum } = entry;
  const { relativeOffsetOfLocalHeader, generalPurposeBitFlag } = entry;
  return Object.assign(new Entry(), {
    compressedSize,
    uncompressedSize,
    compressionMethod,
    crc32: checksum,
    relativeOffsetOfLocalHeader,
    generalPurposeBitFlag,
  });
}

function explain(path: string, error: unknown): ImportError {
  if (error instanceof ImportError) return error;
  const code = codeOf(error);
  if (code === "ENOENT") return new ImportError("refused", `There is no file ${path}`);
  if (typeof code === "string" && /^E[A-Z]+$/.test(code))
    return new ImportError("refused", `${path} cannot be read (${code})`, { cause: error });
  const message = `${path} is no whole zip file: it is something else, or was cut off on its way here`;
  return new ImportError("damaged", message, { cause: error });
}

async function requireFile(path: string): Promise<number> {
  const found = await stat(path);
  if (!found.isFile()) throw new ImportError("refused", `${path} is no file`);
  return found.size;
}

/** Entries by name. What is there twice could be read in two ways, and is refused. */
async function listEntries(zip: ZipFile, path: string): Promise<Map<string, Entry>> {
  if (zip.entryCount > mostEntries)
    throw new ImportError("refused", `${path} holds more than ${mostEntries} files`);
  const entries = new Map<string, Entry>();
  for await (const entry of zip.eachEntry()) {
    if (entry.fileName.endsWith("/")) continue;
    if (entry.fileName.length > longestName)
      throw new ImportError(
        "refused",
        `${path} holds a file whose name is longer than ${longestName} characters`,
      );
    if (entries.has(entry.fileName))
      throw new ImportError("refused", `${path} holds ${printable(entry.fileName)} twice`);
    entries.set(entry.fileName, lean(entry));
  }
  return entries;
}

/** Some programs that make archives put all into a folder. @returns what names begin with */
function folderOf(names: Iterable<string>, marker: string): string {
  const found = [...names].filter((name) => name === marker || name.endsWith(`/${marker}`));
  return found.length === 1 ? (found[0] ?? "").slice(0, -marker.length) : "";
}

/**
 * A zip file from anywhere. What its files are called is only ever compared, and never becomes a path; how large they say
 * they are holds, or reading them ends there.
 */
export class ImportArchive {
  readonly #garbage = new Garbage(32 * 1024 * 1024);

  private constructor(
    readonly path: string,
    private readonly zip: ZipFile,
    private readonly entries: ReadonlyMap<string, Entry>,
    private readonly folder: string,
    private readonly size: number,
  ) {}

  /**
   * @param marker name of a file that stands beside all others
   * @throws ImportError
   */
  static async open(path: string, marker: string): Promise<ImportArchive> {
    try {
      const size = await requireFile(path);
      const zip = await openPromise(path, { autoClose: false });
      // Whatever is wrong with it is met, and thrown, where it is read.
      zip.on("error", () => {});
      try {
        const entries = await listEntries(zip, path);
        return new ImportArchive(path, zip, entries, folderOf(entries.keys(), marker), size);
      } catch (error) {
        zip.close();
        throw error;
      }
    } catch (error) {
      throw explain(path, error);
    }
  }

  has(name: string): boolean {
    return this.#find(name) !== undefined;
  }

  /** Bytes of a file, as the archive says; 0 for one that is not there. */
  sizeOf(name: string): number {
    return this.#find(name)?.uncompressedSize ?? 0;
  }

  /** @throws ImportError when some files together are larger than what was ever exported into so small an archive */
  requireModest(names: readonly string[], what: keyof typeof largestExpansion): void {
    const bytes = names.reduce((sum, name) => sum + this.sizeOf(name), 0);
    if (bytes <= harmlessBytes + largestExpansion[what] * this.size) return;
    throw new ImportError("refused", `${this.path} claims to hold ${bytes} bytes of ${what}: no export does`);
  }

  /** Content of a file that is there. @throws DamagedEntry */
  async *read(name: string): AsyncGenerator<Uint8Array> {
    try {
      const entry = this.#find(name);
      if (!entry) throw new Error("is not there");
      const stream: Readable = await this.zip.openReadStreamPromise(entry);
      let checksum = 0;
      for await (const piece of stream as AsyncIterable<Uint8Array>) {
        checksum = crc32(piece, checksum);
        this.#garbage.note(piece.byteLength);
        yield piece;
      }
      // The library compares sizes only.
      if (checksum !== entry.crc32) throw new Error("another checksum");
    } catch (cause) {
      throw new DamagedEntry("cannot be read to its end, or is not what was written", { cause });
    }
  }

  /** A short file as a whole. @throws DamagedEntry */
  async bytes(name: string, longest = longestText): Promise<Uint8Array> {
    if (this.sizeOf(name) > longest) throw new DamagedEntry(`is larger than ${longest} bytes`);
    return Buffer.concat(await Array.fromAsync(this.read(name)));
  }

  close(): void {
    this.zip.close();
  }

  #find(name: string): Entry | undefined {
    return this.entries.get(this.folder + name);
  }
}
