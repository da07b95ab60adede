import { constants } from "node:fs";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { inDiskWords } from "../src/backup/local-files.ts";
import { tryLockExclusively } from "../src/database/embedded/libc.ts";
import { sync, writeAll } from "../src/storage/disk-writes.ts";
import { cut } from "../src/storage/pieces.ts";
import { CommandError } from "./with-context.ts";

/** Bytes that are written at once. */
const pieceSize = 256 * 1024;

/** Takes a file as it is made. */
export type Take = (bytes: ReadableStream<Uint8Array>) => Promise<void>;

const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW;

/** Why a file must not be written to; null for one that is ours. In a folder like /tmp somebody may have laid it out for us. */
async function objection(handle: FileHandle): Promise<string | null> {
  const { uid } = await handle.stat();
  if (uid !== process.geteuid?.())
    return "There is a file of somebody else's already, which could read the journal:";
  return tryLockExclusively(handle.fd) ? null : "Another export is being written to";
}

/** Opens what a file is until it is whole. What another attempt of ours has left that was cut off goes. */
async function openPartial(path: string): Promise<FileHandle> {
  const handle = await inDiskWords(path, () => open(path, flags, 0o600));
  const why = await objection(handle);
  if (why === null) {
    await handle.chmod(0o600);
    await handle.truncate();
    return handle;
  }
  await handle.close();
  throw new CommandError(`${why} ${path}`);
}

async function writeTo(handle: FileHandle, bytes: ReadableStream<Uint8Array>): Promise<void> {
  for await (const piece of cut(bytes, pieceSize)) await writeAll(handle, piece.bytes);
  await handle.sync();
}

/**
 * Has something written to a file, which has its name only once it is whole; only its owner can read it.
 * @throws CommandError when another attempt is under way, BackupError where the disk refuses, or what the work throws;
 * nothing is left then
 */
export async function intoFile<T>(path: string, work: (take: Take) => Promise<T>): Promise<T> {
  const target = resolve(path);
  const partial = `${target}.partial`;
  const handle = await openPartial(partial);
  try {
    const done = await work((bytes) => writeTo(handle, bytes));
    await inDiskWords(target, async () => {
      await rename(partial, target);
      await sync(dirname(target));
    });
    return done;
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  } finally {
    await handle.close();
  }
}

/** Has something written to standard output, as fast as that is read. */
export async function intoPipe<T>(work: (take: Take) => Promise<T>): Promise<T> {
  return work(async (bytes) => {
    const out = Bun.stdout.writer();
    for await (const piece of cut(bytes, pieceSize)) {
      out.write(piece.bytes);
      await out.flush();
    }
    await out.end();
  });
}
