import { forEachAtOnce } from "../storage/at-once.ts";
import { isSame, readFingerprint } from "../storage/fingerprint.ts";
import { requireAnswers, whileItAnswers } from "../storage/inspection.ts";
import type { ObjectStorage } from "../storage/storage.ts";
import { BackupError } from "./error.ts";
import type { Source } from "./load.ts";
import type { ObjectEntry } from "./manifest.ts";
import { openObject } from "./read-snapshot.ts";

/** Objects that are restored at once. */
const atOnce = 4;

/** What an earlier attempt has brought, or what was never lost, is not brought again. */
async function isThere(storage: ObjectStorage, key: string, entry: ObjectEntry): Promise<boolean> {
  if ((await storage.stat(key))?.size !== entry.size) return false;
  const found = await readFingerprint(storage, key).catch(() => null);
  return found !== null && isSame(found, entry);
}

async function bring(storage: ObjectStorage, key: string, entry: ObjectEntry, source: Source): Promise<void> {
  if (await isThere(storage, key, entry)) return;
  const body = await openObject(source.files, source.manifest, entry, source.key);
  if (!body) throw new BackupError("damaged", `A picture of the backup ${source.manifest.id} is gone`);
  await storage.put(key, body, entry);
}

/** What file systems and Postgres call a disk without room. */
const fullCodes = new Set<unknown>(["ENOSPC", "EDQUOT", "53100"]);

function isFull(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return fullCodes.has((error as { code?: unknown }).code) || isFull(error.cause);
}

/** @throws BackupError unwritable, when there is no room; else what the work throws */
async function withRoom(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (cause) {
    if (!isFull(cause)) throw cause;
    const message =
      "The disk where pictures go is full: make room, then run the same again, it goes on there";
    throw new BackupError("unwritable", message, { cause });
  }
}

/**
 * Puts objects of a backup into a storage, each compared with its hash on the way.
 * @param keyOf where in the storage an object goes
 * @throws StorageAwayError, BackupError; what was brought by then stays
 */
export async function restoreObjects(
  storage: ObjectStorage,
  objects: readonly ObjectEntry[],
  source: Source,
  keyOf: (entry: ObjectEntry) => string = ({ key }) => key,
): Promise<void> {
  await withRoom(() => requireAnswers(storage));
  const total = objects.reduce((sum, { size }) => sum + size, 0);
  source.progress?.begin("Bringing back pictures", total, objects.length);
  const bringAll = () =>
    forEachAtOnce(objects, atOnce, async (entry) => {
      await bring(storage, keyOf(entry), entry, source);
      source.progress?.advance(entry.size);
    });
  await withRoom(() => whileItAnswers(storage, bringAll));
}
