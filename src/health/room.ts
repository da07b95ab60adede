import { statfs } from "node:fs/promises";

const gigabyte = 1024 ** 3;

/** Below this Postgres may not find room for its log any more, and stops: 64 MB of it are kept, and as much again. Bytes. */
export const tooLittle = 200 * 1024 ** 2;

/** Room on a file system, in bytes. */
export interface Room {
  readonly free: number;
  readonly total: number;
}

/**
 * What to make of it: `low` is less than a gigabyte, which a holiday's pictures take, or less than a tenth, unless that
 * is still a lot.
 */
export function stateOfRoom({ free, total }: Room): "ok" | "low" | "full" {
  if (free < tooLittle) return "full";
  return free < gigabyte || (free < 5 * gigabyte && free / total < 0.1) ? "low" : "ok";
}

/** Room on the file system that a folder lies on. @throws when it is not there */
export async function roomAt(path: string): Promise<Room> {
  const { bsize, bavail, blocks } = await statfs(path);
  return { free: bsize * bavail, total: bsize * blocks };
}
