import { exists } from "node:fs/promises";
import { openArchive } from "./archive-reader.ts";
import { ArchiveWriter } from "./archive-writer.ts";
import { type CreateParts, createBackup } from "./create.ts";
import { BackupError } from "./error.ts";
import type { BackupFiles } from "./files.ts";
import { InterruptibleFiles } from "./interruptible-files.ts";
import type { Manifest } from "./manifest.ts";
import { openPlace, type Unsealing } from "./sealing.ts";
import { verifySnapshot } from "./verify.ts";

export interface ArchiveTarget {
  readonly path: string;
  /** A file of that name may be replaced. */
  readonly force: boolean;
}

interface ArchiveParts extends Omit<CreateParts, "files"> {
  /** Breaks it off. */
  readonly signal: AbortSignal;
}

/** What is encrypted to a public key can only be compared as it is. */
async function keyOf(archive: BackupFiles, manifest: Manifest, parts: ArchiveParts) {
  const mayOpen = manifest.encryption?.kind === "passphrase";
  return mayOpen ? openPlace(archive, { passphrase: parts.sealing.passphrase }) : null;
}

/** Reads again what was written. @throws BackupError unwritable */
async function requireWhole(path: string, manifest: Manifest, parts: ArchiveParts): Promise<void> {
  const archive = await openArchive(path);
  const files = new InterruptibleFiles(archive, parts.signal);
  try {
    const key: Unsealing | null = await keyOf(files, manifest, parts);
    const { findings } = await verifySnapshot(files, manifest.id, { key, progress: parts.progress });
    if (findings.length === 0) return;
    throw new BackupError("unwritable", `The disk does not give back what was written to ${path}`);
  } finally {
    await archive.close();
  }
}

/**
 * Makes a backup that is one file. It has its name only when it is whole and has been read again.
 * @throws BackupError, StorageAwayError, or what the database throws; nothing is left then
 */
export async function createArchive(parts: ArchiveParts, { path, force }: ArchiveTarget): Promise<Manifest> {
  if (!force && (await exists(path)))
    throw new BackupError("refused", `${path} is there already: --force replaces it`);
  const writer = await ArchiveWriter.begin(path);
  try {
    const manifest = await createBackup({ ...parts, files: new InterruptibleFiles(writer, parts.signal) });
    await writer.seal();
    await requireWhole(writer.partial, manifest, parts);
    await writer.publish();
    return manifest;
  } finally {
    await writer.close();
  }
}
