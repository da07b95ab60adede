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

async function* each<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}

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
  await requireAnswers(storage);
  const total = objects.reduce((sum, { size }) => sum + size, 0);
  source.progress?.begin("Bringing back pictures", total, objects.length);
  await whileItAnswers(storage, () =>
    forEachAtOnce(each(objects), atOnce, async (entry) => {
      await bring(storage, keyOf(entry), entry, source);
      source.progress?.advance(entry.size);
    }),
  );
}
