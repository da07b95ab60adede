import { forEachAtOnce } from "../storage/at-once.ts";
import { type Fingerprint, PromisedBytes } from "../storage/fingerprint.ts";
import { BackupError } from "./error.ts";
import { type BackupFiles, readText } from "./files.ts";
import { listSnapshots, type Manifest, readManifest, writeManifest } from "./manifest.ts";
import type { BackupProgress } from "./progress.ts";
import { packedEnv, packedObject, packedTable } from "./read-snapshot.ts";
import { keyFile, keyFilesOf } from "./sealing.ts";

export interface CopyReport {
  /** Files that were not there yet, and their bytes. */
  readonly files: number;
  readonly bytes: number;
}

/** A file as it was written. */
interface Item {
  readonly name: string;
  readonly file: Fingerprint;
}

/** Files that are copied at once: enough to keep a network busy. */
const atOnce = 2;

/** What is shared by all backups of a place has to be there already in the same form. */
async function requireSameKey(from: BackupFiles, to: BackupFiles, manifest: Manifest): Promise<void> {
  const before = (await listSnapshots(to)).at(-1);
  const other = before === undefined ? null : await readManifest(to, before).catch(() => null);
  const [mine, theirs] = [await readText(from, keyFile), await readText(to, keyFile)];
  const differs = other && other.encryption?.recipient !== manifest.encryption?.recipient;
  const isOfAnother = manifest.encryption?.keyFile && theirs !== null && theirs !== mine;
  if (!differs && !isOfAnother) return;
  throw new BackupError(
    "sealed",
    `The backups in ${to.place} are encrypted otherwise than those in ${from.place}: set another BACKUP_S3_PREFIX`,
  );
}

/** Copies a file as it lies there; one that is not what was written is not passed on. */
async function copyFile(from: BackupFiles, to: BackupFiles, { name, file }: Item): Promise<void> {
  const body = await from.read(name);
  const promised = body && new PromisedBytes(body, file);
  const damaged = () => new BackupError("damaged", `${name} in ${from.place} is damaged: it is not copied`);
  if (!promised) throw damaged();
  try {
    await to.write(name, promised.stream);
  } catch (error) {
    throw promised.failure ? damaged() : error;
  }
}

async function listSizes(files: BackupFiles): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  for await (const { name, size } of files.list("")) sizes.set(name, size);
  return sizes;
}

const itemsOf = async (manifest: Manifest): Promise<Item[]> => [
  ...(await keyFilesOf(manifest.encryption)),
  ...manifest.objects.map((entry) => packedObject(manifest, entry)),
  ...manifest.tables.map((entry) => packedTable(manifest, entry)),
  ...(manifest.env ? [packedEnv(manifest, manifest.env)] : []),
];

/**
 * Copies a backup to another place: what is not there yet, and the manifest last. What is copied stays encrypted as it
 * is. Whoever calls this holds the lock of the place it comes from.
 * @throws BackupError, StorageAwayError; the next attempt goes on with what was copied
 */
export async function copySnapshot(
  from: BackupFiles,
  to: BackupFiles,
  id: string,
  progress?: BackupProgress,
): Promise<CopyReport> {
  const manifest = await readManifest(from, id);
  await requireSameKey(from, to, manifest);
  const there = await listSizes(to);
  const wanted = new Map((await itemsOf(manifest)).map((item) => [item.name, item]));
  const items = [...wanted.values()].filter(({ name, file }) => there.get(name) !== file.size);
  const bytes = items.reduce((sum, { file }) => sum + file.size, 0);
  progress?.begin(`Copying to ${to.place}`, bytes, items.length);
  await forEachAtOnce(items, atOnce, async (item) => {
    await copyFile(from, to, item);
    progress?.advance(item.file.size);
  });
  await writeManifest(to, manifest);
  return { files: items.length, bytes };
}
