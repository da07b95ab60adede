import { BackupError } from "./error.ts";
import type { BackupFiles, FileInfo } from "./files.ts";
import { chooseKept, type KeepPolicy } from "./keep.ts";
import { isComplete, listSnapshots, type Manifest, objectName, readManifest } from "./manifest.ts";

export interface PruneReport {
  /** Ids of backups that went, or would go, the oldest first. */
  readonly removed: readonly string[];
  readonly kept: readonly string[];
  /** Backups that cannot be read: they are left alone, and all pictures with them. */
  readonly unreadable: readonly string[];
  /** Files of theirs, of backups that were cut off, and pictures that no backup names any longer. */
  readonly files: number;
  /** Of those files. */
  readonly bytes: number;
}

interface Snapshots {
  readonly readable: readonly Manifest[];
  readonly unreadable: readonly string[];
}

async function readSnapshots(files: BackupFiles): Promise<Snapshots> {
  const readable: Manifest[] = [];
  const unreadable: string[] = [];
  for (const id of await listSnapshots(files)) {
    try {
      readable.push(await readManifest(files, id));
    } catch (error) {
      if (!(error instanceof BackupError)) throw error;
      unreadable.push(id);
    }
  }
  return { readable, unreadable };
}

/** Whether a file belongs to a snapshot that does not stay, or never became one. */
function isOfAnother(name: string, staying: ReadonlySet<string>): boolean {
  const id = /^snapshots\/([0-9TZ-]+)\//.exec(name)?.[1];
  return id !== undefined && !staying.has(id);
}

/** What a write leaves that was cut off. Proofs are written beside snapshots at any time, archives by others. */
const isFragment = (name: string) => /^(objects\/.*|key\.age)\.partial$/.test(name);

const isObject = (name: string) => /^objects\/[0-9a-f]{2}\/[0-9a-f]{64}(\.age)?$/.test(name);

/** What can go, in the order in which it goes: manifests first, so that half a snapshot never looks like one. */
async function chooseFiles(
  files: BackupFiles,
  staying: readonly string[],
  named: ReadonlySet<string> | null,
): Promise<FileInfo[]> {
  const ids = new Set(staying);
  const isOrphan = (name: string) => named !== null && isObject(name) && !named.has(name);
  const going: FileInfo[] = [];
  for await (const file of files.list(""))
    if (isFragment(file.name) || isOfAnother(file.name, ids) || isOrphan(file.name)) going.push(file);
  const rank = ({ name }: FileInfo) =>
    name.endsWith("/manifest.json") ? 0 : name.startsWith("snapshots/") ? 1 : 2;
  return going.sort((one, other) => rank(one) - rank(other));
}

const namesOf = (manifests: readonly Manifest[]) =>
  new Set(
    manifests.flatMap((manifest) => manifest.objects.map(({ sha256 }) => objectName(manifest, sha256))),
  );

/**
 * Removes backups that are not to be kept, what is left of some that were cut off, and pictures that no backup names. As
 * long as a backup cannot be read, no picture goes. The lock of the files is held by the caller.
 * @throws BackupError unwritable, StorageAwayError
 */
export async function prune(
  files: BackupFiles,
  policy: KeepPolicy,
  { dryRun = false } = {},
): Promise<PruneReport> {
  const { readable, unreadable } = await readSnapshots(files);
  const candidates = readable.map((manifest) => ({
    id: manifest.id,
    createdAt: new Date(manifest.createdAt),
    complete: isComplete(manifest),
    madeBy: `${manifest.program.version}, schema ${manifest.schema}`,
  }));
  const keeps = chooseKept(candidates, policy);
  const kept = readable.filter(({ id }) => keeps.has(id));
  const staying = [...kept.map(({ id }) => id), ...unreadable];
  const going = await chooseFiles(files, staying, unreadable.length > 0 ? null : namesOf(kept));
  if (!dryRun) for (const { name } of going) await files.remove(name);
  return {
    removed: readable.map(({ id }) => id).filter((id) => !keeps.has(id)),
    kept: kept.map(({ id }) => id),
    unreadable,
    files: going.length,
    bytes: going.reduce((sum, { size }) => sum + size, 0),
  };
}
