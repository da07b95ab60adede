import { BackupError } from "./error.ts";
import type { BackupFiles } from "./files.ts";
import { isComplete, listSnapshots, readManifest } from "./manifest.ts";
import { readProof, sizeOf } from "./status.ts";

/** A backup, as a list shows it. */
export interface ListedBackup {
  readonly id: string;
  /** Null when it cannot be read. */
  readonly content: {
    /** The instant that it shows. */
    readonly createdAt: Date;
    /** Of its own files and of all pictures that it names. */
    readonly bytes: number;
    readonly pictures: number;
    readonly complete: boolean;
    readonly encrypted: boolean;
  } | null;
  /** Why it cannot be read. */
  readonly problem: string | null;
  /** When it was last read again in full. */
  readonly verified: Date | null;
  /** When it was last restored, to try it. */
  readonly proven: Date | null;
}

async function readContent(
  files: BackupFiles,
  id: string,
): Promise<Pick<ListedBackup, "content" | "problem">> {
  try {
    const manifest = await readManifest(files, id);
    const content = {
      createdAt: new Date(manifest.createdAt),
      bytes: sizeOf(manifest),
      pictures: manifest.objects.length,
      complete: isComplete(manifest),
      encrypted: manifest.encryption !== null,
    };
    return { content, problem: null };
  } catch (error) {
    if (!(error instanceof BackupError) || error.problem === "unwritable") throw error;
    return { content: null, problem: error.message };
  }
}

/** All backups of a place, the newest first. @throws BackupError unwritable, StorageAwayError */
export async function listBackups(files: BackupFiles): Promise<ListedBackup[]> {
  const listed: ListedBackup[] = [];
  for (const id of (await listSnapshots(files)).toReversed()) {
    const content = await readContent(files, id);
    const verified = await readProof(files, id, "verified");
    listed.push({ id, ...content, verified, proven: await readProof(files, id, "proven") });
  }
  return listed;
}
