import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { type Room, roomAt, stateOfRoom } from "../health/room.ts";
import { inWords } from "./amounts.ts";
import type { DoctorParts } from "./check.ts";
import { combine, fail, ok, type Verdict, warn } from "./finding.ts";

/** What to make of the room on the file system that a folder lies on. */
export function judgeRoom(name: string, room: Room): Verdict {
  const mend = `Free some space there, or move ${name} to a larger disk.`;
  const { status, scarce } = stateOfRoom(room);
  const inBytes = `${name}: ${inWords(room.free)} of ${inWords(room.total)} free`;
  if (status === "ok") return ok(inBytes);
  const told = scarce === "bytes" ? inBytes : `${name}: ${room.freeFiles} of ${room.files} inodes free`;
  return status === "full" ? fail(told, mend) : warn(told, mend);
}

/** The nearest folder above, where one is not there yet: it is to be made on the same disk. */
function standing(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : standing(dirname(path));
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
    await Promise.all(folders.map(async ([name, path]) => judgeRoom(name, await roomAt(standing(path))))),
  );
}
