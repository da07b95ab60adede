import { closeSync, constants, openSync } from "node:fs";
import { open, readdir, rename, rm, rmdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { tryLockExclusively } from "../database/embedded/libc.ts";
import { Garbage } from "../garbage.ts";
import { codeOf } from "../storage/disk-errors.ts";
import { sync, writeAll } from "../storage/disk-writes.ts";
import { type Fingerprint, fingerprintOf, isSame } from "../storage/fingerprint.ts";
import { createOwnFile, makeOwnFolders } from "../storage/ownership.ts";
import { abandon, cut } from "../storage/pieces.ts";
import { BackupError } from "./error.ts";
import type { BackupFiles, FileInfo } from "./files.ts";

/** Bytes that are written at once. */
const pieceSize = 256 * 1024;

/** What a file is called until it is whole. */
const partial = ".partial";

/** Backups in a folder. Nobody but its owner can read what is in it. */
export class LocalFiles implements BackupFiles {
  readonly #garbage = new Garbage();

  constructor(readonly place: string) {}

  async write(name: string, body: ReadableStream<Uint8Array>): Promise<Fingerprint> {
    const path = this.#pathOf(name);
    try {
      await this.#inWords(() => makeFolders(dirname(path)));
      const written = await writeDown(this.place, path + partial, body, this.#garbage);
      await this.#inWords(() => settle(path, written));
      this.#garbage.note(2 * written.size);
      return written;
    } catch (error) {
      abandon(body);
      await rm(path + partial, { force: true }).catch(() => {});
      throw error;
    }
  }

  async read(name: string): Promise<ReadableStream<Uint8Array> | null> {
    const file = Bun.file(this.#pathOf(name));
    return (await file.exists()) ? file.stream() : null;
  }

  async *list(prefix: string): AsyncGenerator<FileInfo> {
    const folder = prefix.slice(0, prefix.lastIndexOf("/") + 1);
    for await (const found of this.#walk(folder)) if (found.name.startsWith(prefix)) yield found;
  }

  async remove(name: string): Promise<void> {
    const path = this.#pathOf(name);
    await this.#inWords(() => rm(path, { force: true }));
    await removeEmpty(dirname(path), this.place);
  }

  async lock(): Promise<() => Promise<void>> {
    const fd = await this.#inWords(async () => {
      await makeFolders(this.place);
      return openLock(join(this.place, "lock"));
    });
    if (tryLockExclusively(fd)) return async () => closeSync(fd);
    closeSync(fd);
    throw new BackupError("busy", `Another backup is being made in ${this.place}`);
  }

  async close(): Promise<void> {}

  #pathOf(name: string): string {
    if (name.split("/").some((part) => part === "" || part.startsWith(".")))
      throw new Error(`not a name: ${name}`);
    return join(this.place, name);
  }

  async *#walk(folder: string): AsyncGenerator<FileInfo> {
    const entries = await readdir(join(this.place, folder), { withFileTypes: true }).catch((error) => {
      if (codeOf(error) === "ENOENT") return [];
      throw explain(this.place, error);
    });
    for (const entry of entries) {
      const name = folder + entry.name;
      if (entry.isDirectory()) yield* this.#walk(`${name}/`);
      else yield { name, size: (await stat(join(this.place, name))).size };
    }
  }

  #inWords<T>(work: () => Promise<T>): Promise<T> {
    return inDiskWords(this.place, work);
  }
}

function explain(place: string, error: unknown): unknown {
  const code = codeOf(error);
  if (code === "ENOSPC" || code === "EDQUOT" || code === "EFBIG")
    return new BackupError("unwritable", `The disk of ${place} is full`, { cause: error });
  if (typeof code !== "string") return error;
  return new BackupError("unwritable", `${place} cannot be used (${code})`, { cause: error });
}

/** Says in words what a disk throws. @throws BackupError unwritable, or what else the work throws */
export async function inDiskWords<T>(place: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw explain(place, error);
  }
}

/**
 * Writes a stream to a file and waits until it is on disk.
 * @param place what is said to be full or out of order @param garbage told of what passes
 * @throws BackupError unwritable; what the body throws is thrown as it is: it says nothing about this disk
 */
export async function writeDown(
  place: string,
  path: string,
  body: ReadableStream<Uint8Array>,
  garbage: Garbage,
): Promise<Fingerprint> {
  const hasher = new Bun.CryptoHasher("sha256");
  let size = 0;
  const handle = await inDiskWords(place, async () => {
    await rm(path, { force: true });
    return createOwnFile(path);
  });
  try {
    for await (const { bytes } of cut(body, pieceSize)) {
      hasher.update(bytes);
      await inDiskWords(place, () => writeAll(handle, bytes));
      size += bytes.byteLength;
      garbage.note(2 * bytes.byteLength);
    }
    await inDiskWords(place, () => handle.sync());
  } finally {
    await handle.close();
  }
  return { size, sha256: hasher.digest("hex") };
}

/** Gives a file its name once it is known to be whole. */
async function settle(path: string, written: Fingerprint): Promise<void> {
  await requireSame(path + partial, written);
  await rename(path + partial, path);
  await sync(dirname(path));
}

/** The bytes of a file. All pieces share their memory: each is good until the next one is asked for. */
async function* piecesOf(path: string): AsyncGenerator<Uint8Array> {
  const buffer = Buffer.allocUnsafe(pieceSize);
  const handle = await open(path, "r");
  try {
    for (;;) {
      const { bytesRead } = await handle.read(buffer, 0, pieceSize);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}

/** Whoever reads it again now finds what was written. @throws BackupError unwritable */
async function requireSame(path: string, written: Fingerprint): Promise<void> {
  const found = await fingerprintOf(piecesOf(path));
  if (!isSame(found, written))
    throw new BackupError("unwritable", `The disk does not give back what was written to ${path}`);
}

/** Opens the file that the lock is on, and makes it where there is none. A link in its place leads elsewhere. */
async function openLock(path: string): Promise<number> {
  try {
    await (await createOwnFile(path)).close();
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error;
  }
  return openSync(path, constants.O_WRONLY | constants.O_NOFOLLOW);
}

/** Makes folders that only their owner can look into, and writes their names down. */
async function makeFolders(path: string): Promise<void> {
  for (const folder of await makeOwnFolders(path)) await sync(dirname(folder));
}

/** Removes folders that have become empty, up to the place itself. */
async function removeEmpty(folder: string, place: string): Promise<void> {
  if (!folder.startsWith(`${place}/`)) return;
  const gone = await rmdir(folder).then(
    () => true,
    () => false,
  );
  if (gone) await removeEmpty(dirname(folder), place);
}
