import { existsSync } from "node:fs";
import { stat, statfs } from "node:fs/promises";
import { dirname } from "node:path";

/** Room on a file system, in bytes and in files; `files` is 0 where it does not count them. */
export interface Room {
  readonly free: number;
  readonly total: number;
  readonly freeFiles: number;
  readonly files: number;
}

const gigabyte = 1024 ** 3;

/** Below this Postgres may not find room for its log any more, and stops: 64 MB of it are kept, and as much again. Bytes. */
export const tooLittle = 200 * 1024 ** 2;

/**
 * What to make of room: `low` is less than a gigabyte, which a holiday's pictures take, or less than a tenth, unless that is
 * still a lot.
 */
export function stateOfRoom({ free, total }: Pick<Room, "free" | "total">): "ok" | "low" | "full" {
  if (free < tooLittle) return "full";
  return free < gigabyte || (free < 5 * gigabyte && free / total < 0.1) ? "low" : "ok";
}

/** The nearest folder above, where one is not there yet: it is to be made on the same disk. */
function standing(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : standing(dirname(path));
}

/** The room on the file system that a folder lies on, or will. */
export async function readRoom(path: string): Promise<Room> {
  const { bsize, bavail, blocks, ffree, files } = await statfs(standing(path));
  return { free: bsize * bavail, total: bsize * blocks, freeFiles: ffree, files };
}

export interface Disk<Name extends string> extends Room {
  /** The first of the folders that lie on it. */
  readonly name: Name;
}

/** The disks that folders lie on, each once. */
export async function readDisks<Name extends string>(
  folders: readonly { readonly name: Name; readonly path: string }[],
): Promise<Disk<Name>[]> {
  const disks = new Map<number, Disk<Name>>();
  for (const { name, path } of folders) {
    const { dev } = await stat(standing(path));
    if (!disks.has(dev)) disks.set(dev, { name, ...(await readRoom(path)) });
  }
  return [...disks.values()];
}
