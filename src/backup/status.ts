import { z } from "zod";
import { program } from "../version.ts";
import { type BackupFiles, readText, streamOf } from "./files.ts";
import { LocalFiles } from "./local-files.ts";
import { folderOf, isComplete, listSnapshots, type Manifest, readManifest } from "./manifest.ts";

/** What was found out about a snapshot later; a file beside it says so. */
export type Proof = "verified" | "proven";

const proof = z.object({ at: z.iso.datetime(), program: z.string() });

export interface BackupStatus {
  /** The newest backup that can be read; null when there is none. */
  readonly newest: {
    readonly id: string;
    readonly createdAt: Date;
    readonly complete: boolean;
    /** Of its own files and of all pictures that it names. */
    readonly bytes: number;
  } | null;
  readonly count: number;
  /** When one of the backups was last read again in full. */
  readonly lastVerified: Date | null;
  /** When one of them was last restored, to try it. */
  readonly lastProven: Date | null;
}

export const proofName = (id: string, kind: Proof): string => `${folderOf(id)}${kind}.json`;

/** Notes beside a snapshot what was found out about it just now, where that is possible. */
export async function writeProof(files: BackupFiles, id: string, kind: Proof): Promise<void> {
  if (files.isReadOnly) return;
  const text = JSON.stringify({ at: new Date().toISOString(), program: program.version });
  await files.write(proofName(id, kind), streamOf(`${text}\n`));
}

/** When that was; null where it is not known. */
export async function readProof(files: BackupFiles, id: string, kind: Proof): Promise<Date | null> {
  const text = await readText(files, proofName(id, kind));
  const read = proof.safeParse(text === null ? null : JSON.parse(text));
  return read.success ? new Date(read.data.at) : null;
}

async function lastProof(files: BackupFiles, ids: readonly string[], kind: Proof): Promise<Date | null> {
  const found = await Promise.all(ids.map((id) => readProof(files, id, kind).catch(() => null)));
  const times = found.filter((at) => at !== null).map((at) => at.getTime());
  return times.length > 0 ? new Date(Math.max(...times)) : null;
}

/** Bytes of a backup's own files and of all pictures that it names. */
export function sizeOf({ tables, objects }: Manifest): number {
  const sizes = [...tables.map(({ file }) => file.size), ...objects.map(({ size }) => size)];
  return sizes.reduce((sum, size) => sum + size, 0);
}

async function readNewest(files: BackupFiles, ids: readonly string[]): Promise<BackupStatus["newest"]> {
  for (const id of ids.toReversed()) {
    const manifest = await readManifest(files, id).catch(() => null);
    if (!manifest) continue;
    const bytes = sizeOf(manifest);
    return { id, createdAt: new Date(manifest.createdAt), complete: isComplete(manifest), bytes };
  }
  return null;
}

/**
 * How it stands with the backups in a folder. Reads only small files; one that is not there has no backups.
 * @throws BackupError when the folder cannot be looked into
 */
export async function readBackupStatus(dir: string): Promise<BackupStatus> {
  const files = new LocalFiles(dir);
  const ids = await listSnapshots(files);
  return {
    newest: await readNewest(files, ids),
    count: ids.length,
    lastVerified: await lastProof(files, ids, "verified"),
    lastProven: await lastProof(files, ids, "proven"),
  };
}
