import { join, resolve } from "node:path";
import { inWords } from "../amounts.ts";
import { type Room, readRoom, tooLittle } from "../health/disk.ts";
import type { DoctorParts } from "./check.ts";
import { combine, fail, ok, type Verdict, warn } from "./finding.ts";

const megabyte = 1024 ** 2;

/** Below this a holiday's pictures fill the disk. */
const little = 1024 * megabyte;
const lowShare = 0.1;

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

/** Where backups go. */
export const backupFolder = ({ backupDir, dataDir }: { backupDir?: string | undefined; dataDir: string }) =>
  backupDir === undefined ? join(dataDir, "backups") : resolve(backupDir);

/** Room for data and for backups. */
export async function checkDisk({ config }: DoctorParts): Promise<Verdict> {
  const folders = [
    ["DATA_DIR", config.dataDir],
    ["BACKUP_DIR", backupFolder(config)],
  ] as const;
  return combine(
    await Promise.all(folders.map(async ([name, path]) => judgeRoom(name, await readRoom(path)))),
  );
}
