import { chmod, readdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { causeOf } from "./away.ts";
import { codeOf, toUnavailable } from "./disk-errors.ts";
import { sync, writeAll } from "./disk-writes.ts";
import { areas, isKey } from "./object-key.ts";
import { createOwnFile, makeOwnFolders } from "./ownership.ts";
import { abandon, cut } from "./pieces.ts";
import { roundTrip } from "./round-trip.ts";
import type { ByteRange, ObjectInfo, ObjectStorage, OpenObject } from "./storage.ts";

/** Bytes that are written at once. */
const pieceSize = 256 * 1024;
/** Milliseconds after which a file in `incoming` cannot be one that is still being written. */
const fragmentAge = 24 * 60 * 60 * 1000;

/** Objects as files: `area/name` lies at `area/na/me/name`, so that no folder grows too large to list. */
export class DirectoryStorage implements ObjectStorage {
  readonly backend = "directory";
  readonly #incoming: string;
  /** Folders that were made, and written down in those above them, by this process. At most 256 an area. */
  readonly #settled = new Map<string, Promise<void>>();

  constructor(readonly root: string) {
    this.#incoming = join(root, "incoming");
  }

  async put(key: string, body: ReadableStream<Uint8Array>): Promise<void> {
    const target = this.#pathOf(key);
    const path = join(this.#incoming, crypto.randomUUID());
    try {
      await makeOwnFolders(this.#incoming);
      await writeFile(path, body);
      await this.#moveIn(path, target);
    } catch (error) {
      abandon(body);
      await rm(path, { force: true }).catch(() => {});
      throw toUnavailable(error);
    }
  }

  async putFile(key: string, path: string): Promise<void> {
    const target = this.#pathOf(key);
    try {
      await settleFile(path);
      await this.#moveIn(path, target);
    } catch (error) {
      if (codeOf(error) !== "EXDEV") throw toUnavailable(error);
      await this.put(key, Bun.file(path).stream());
    } finally {
      await rm(path, { force: true }).catch(() => {});
    }
  }

  async get(key: string, range?: ByteRange): Promise<OpenObject | null> {
    const info = await this.stat(key);
    if (!info) return null;
    const file = Bun.file(this.#pathOf(key));
    return { size: info.size, body: range ? file.slice(range.start, range.end + 1) : file };
  }

  async stat(key: string): Promise<ObjectInfo | null> {
    const stats = await orNull(Bun.file(this.#pathOf(key)).stat());
    return stats && { key, size: stats.size, modifiedAt: stats.mtime };
  }

  async delete(key: string): Promise<void> {
    await orNull(rm(this.#pathOf(key)));
  }

  async *list(prefix: string): AsyncGenerator<ObjectInfo> {
    for (const area of areas) yield* this.#listFolder(area, prefix, "");
  }

  signedUrl(): null {
    return null;
  }

  async probe(): Promise<void> {
    try {
      await roundTrip(this);
    } catch (error) {
      const cause = causeOf(error);
      throw new Error(`the folder ${this.root} cannot be used: ${(cause as Error).message}`, { cause });
    }
  }

  async close(): Promise<void> {}

  /** Deletes what is left of writes that were cut off more than a day ago. */
  async sweepFragments(): Promise<void> {
    for (const name of (await orNull(readdir(this.#incoming))) ?? []) {
      const path = join(this.#incoming, name);
      const stats = await orNull(Bun.file(path).stat());
      if (stats && stats.mtimeMs < Date.now() - fragmentAge) await orNull(rm(path));
    }
  }

  /** Nothing leaves the root: a key has no dots, and slashes only where they belong. */
  #pathOf(key: string): string {
    if (!isKey(key)) throw new Error(`not a key: ${key}`);
    const [area = "", name = ""] = key.split("/");
    return join(this.root, area, name.slice(0, 2), name.slice(2, 4), name);
  }

  /** @param folders the two letters of each folder below the area, one after the other */
  async *#listFolder(area: string, prefix: string, folders: string): AsyncGenerator<ObjectInfo> {
    const start = `${area}/${folders}`;
    if (!start.startsWith(prefix) && !prefix.startsWith(start)) return;
    const path = join(this.root, area, folders.slice(0, 2), folders.slice(2));
    for (const name of (await orNull(readdir(path))) ?? []) {
      if (folders.length < 4) yield* this.#listFolder(area, prefix, folders + name);
      else if (`${area}/${name}`.startsWith(prefix)) yield* this.#listFile(`${area}/${name}`);
    }
  }

  async *#listFile(key: string): AsyncGenerator<ObjectInfo> {
    const info = isKey(key) && (await this.stat(key));
    if (info) yield info;
  }

  /** Gives a file that is on disk its place, for good: its folder and those above are written down, too. */
  async #moveIn(path: string, target: string): Promise<void> {
    const folder = dirname(target);
    const above = dirname(folder);
    await this.#settle(above);
    await makeOwnFolders(folder);
    await rename(path, target);
    await Promise.all([sync(folder), sync(above)]);
  }

  async #settle(folder: string): Promise<void> {
    const settled = this.#settled.get(folder) ?? this.#makeForGood(folder);
    this.#settled.set(folder, settled);
    await settled.catch((error) => {
      this.#settled.delete(folder);
      throw error;
    });
  }

  async #makeForGood(folder: string): Promise<void> {
    await makeOwnFolders(folder);
    await Promise.all([dirname(folder), this.root, dirname(this.root)].map(sync));
  }
}

async function writeFile(path: string, body: ReadableStream<Uint8Array>): Promise<void> {
  const handle = await createOwnFile(path);
  try {
    for await (const { bytes } of cut(body, pieceSize)) await writeAll(handle, bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Brings a file that somebody else wrote to the disk. */
async function settleFile(path: string): Promise<void> {
  await chmod(path, 0o600);
  await sync(path);
}

/** Null for a file that is not there. */
async function orNull<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return null;
    throw toUnavailable(error);
  }
}
