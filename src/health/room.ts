import { statfs } from "node:fs/promises";

const megabyte = 1024 ** 2;

/** Below this Postgres may not find room for its log any more, and stops: 64 MB of it are kept, and as much again. */
const tooLittle = 200 * megabyte;
/** Below this a holiday's pictures fill the disk. */
const little = 1024 * megabyte;
const lowShare = 0.1;

/** Room on a file system, in bytes and in files; `files` is 0 where it does not count them. */
export interface Room {
  readonly free: number;
  readonly total: number;
  readonly freeFiles: number;
  readonly files: number;
}

/** How much room there is, and whether it is bytes or files that are scarce. */
export interface RoomState {
  readonly status: "ok" | "low" | "full";
  readonly scarce: "bytes" | "files";
}

/** What to make of the room on a file system. */
export function stateOfRoom({ free, total, freeFiles, files }: Room): RoomState {
  const share = files > 0 ? freeFiles / files : 1;
  if (free < tooLittle) return { status: "full", scarce: "bytes" };
  if (share < lowShare / 10) return { status: "full", scarce: "files" };
  if (free < little || free / total < lowShare) return { status: "low", scarce: "bytes" };
  return { status: share < lowShare ? "low" : "ok", scarce: "files" };
}

/** Room on the file system that a folder lies on. @throws when it is not there */
export async function roomAt(path: string): Promise<Room> {
  const { bsize, bavail, blocks, ffree, files } = await statfs(path);
  return { free: bsize * bavail, total: bsize * blocks, freeFiles: ffree, files };
}
