import { existsSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { tooLittle } from "../health/room.ts";
import { inWords } from "./amounts.ts";
import type { DoctorParts } from "./check.ts";
import { combine, fail, ok, type Verdict, warn } from "./finding.ts";

const megabyte = 1024 ** 2;

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

/** What to make of the room on the file system that a folder lies on. */
export function judgeRoom(name: string, { free, total, freeFiles, files }: Room): Verdict {
  const mend = `Free some space there, or move ${name} to a larger disk.`;
  const told = `${name}: ${inWords(free)} of ${inWords(total)} free`;
  const share = files > 0 ? freeFiles / files : 1;
  const inodes = `${name}: ${freeFiles} of ${files} inodes free`;
  if (free < tooLittle) return fail(told, mend);
  if (share < lowShare / 10) return fail(inodes, mend);
  if (free < little || free / total < lowShare) return warn(told, mend);
  return share < lowShare ? warn(inodes, mend) : ok(told);
}

/** The nearest folder above, where one is not there yet: it is to be made on the same disk. */
function standing(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : standing(dirname(path));
}

async function roomAt(path: string): Promise<Room> {
  const { bsize, bavail, blocks, ffree, files } = await statfs(standing(path));
  return { free: bsize * bavail, total: bsize * blocks, freeFiles: ffree, files };
}

/** Where backups go. */
export const backupFolder = ({ backupDir, dataDir }: { backupDir?: string | undefined; dataDir: string }) =>
  backupDir === undefined ? join(dataDir, "backups") : resolve(backupDir);

/** Room for data and for backups. */
export async function checkDisk({ config }: DoctorParts): Promise<Verdict> {
  const folders = [
    ["DATA_DIR", config.dataDir],
    ["BACKUP_DIR", backupFolder(config)],
  ] as const;
  return combine(await Promise.all(folders.map(async ([name, path]) => judgeRoom(name, await roomAt(path)))));
}
