import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createBackup } from "../../src/backup/create.ts";
import { LocalFiles } from "../../src/backup/local-files.ts";
import type { Manifest } from "../../src/backup/manifest.ts";
import { openTable } from "../../src/backup/read-snapshot.ts";
import type { SealingWish } from "../../src/backup/sealing.ts";
import type { PictureServer } from "../storage/picture-server.ts";
import type { Device } from "../support/sync-client.ts";
import { track, trip, visit } from "../support/sync-entities.ts";

/** Text that stands in a journal, and must stand nowhere in what is encrypted. */
export const canary = "canary-9f31c2";

/** Gives an account points, a visit, and a trip with a note. */
export async function writeJournal(device: Device): Promise<void> {
  await device.sync({
    locations: track(50, crypto.randomUUID()),
    placeVisits: [visit(crypto.randomUUID())],
    trips: [trip(crypto.randomUUID(), { notes: `Line one\nline two, a tab\tand \\N ${canary}` })],
  });
}

export interface BackupFolder {
  readonly path: string;
  readonly files: LocalFiles;
  remove(): Promise<void>;
}

export async function newFolder(): Promise<BackupFolder> {
  const path = await mkdtemp(join(tmpdir(), "tg-backup-"));
  return { path, files: new LocalFiles(path), remove: () => rm(path, { recursive: true, force: true }) };
}

/** Makes a backup as the program does, without its command. */
export async function backUp(
  { context: { db, storage } }: PictureServer,
  files: LocalFiles,
  sealing: SealingWish = {},
): Promise<Manifest> {
  const unlock = await files.lock();
  try {
    return await createBackup({ db, storage, files, sealing });
  } finally {
    await unlock();
  }
}

/** Rows of a table in a backup, as values of COPY. */
export async function rowsOf(
  files: LocalFiles,
  manifest: Manifest,
  name: string,
  key: string | null = null,
): Promise<Record<string, string>[]> {
  const entry = manifest.tables.find((table) => table.name === name);
  if (!entry) throw new Error(`no table ${name}`);
  const text = await new Response(await openTable(files, manifest, entry, key)).text();
  const lines = text.split("\n").slice(0, -1);
  return lines.map((line) =>
    Object.fromEntries(line.split("\t").map((value, index) => [entry.columns[index], value])),
  );
}

/** Names of all files below a folder, sorted. */
export async function namesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .filter((name) => name !== "lock")
    .sort();
}

/** Turns one bit over in the middle of a file, or at an offset. */
export async function flip(path: string, offset?: number): Promise<void> {
  const bytes = await readFile(path);
  const position = offset ?? Math.floor(bytes.length / 2);
  bytes[position] = (bytes[position] ?? 0) ^ 1;
  await Bun.write(path, bytes);
}
