import { constants } from "node:fs";
import { type FileHandle, mkdir, open, stat } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Gives what root has just made to the owner of the folder that it is in: else the server, which is another user, could
 * not use what an administrator's command leaves. By its open file, not by its name: whoever owns the folder could have
 * put another file under that name.
 */
export async function handOver(made: FileHandle, folder: string): Promise<void> {
  if (process.geteuid?.() !== 0) return;
  const { uid, gid } = await stat(folder);
  if (uid !== 0) await made.chown(uid, gid);
}

async function handOverFolder(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    await handOver(handle, dirname(path));
  } finally {
    await handle.close();
  }
}

/**
 * Makes a folder and those above it, which only their owner can look into.
 * @returns the folders that were not there before, the topmost first
 */
export async function makeOwnFolders(path: string): Promise<string[]> {
  const first = await mkdir(path, { recursive: true, mode: 0o700 });
  const made: string[] = [];
  for (let folder = path; first !== undefined && folder.length >= first.length; folder = dirname(folder))
    made.unshift(folder);
  for (const folder of made) await handOverFolder(folder);
  return made;
}

/**
 * Opens a new file for writing, which only its owner can read.
 * @throws the system's error, EEXIST where there is something of that name
 */
export async function createOwnFile(path: string): Promise<FileHandle> {
  const handle = await open(path, "wx", 0o600);
  try {
    await handOver(handle, dirname(path));
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}
