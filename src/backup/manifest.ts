import { z } from "zod";
import { fingerprintOf } from "../storage/fingerprint.ts";
import { BackupError } from "./error.ts";
import { type BackupFiles, readText, streamOf } from "./files.ts";

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const fingerprint = z.object({ size: z.number().int().min(0), sha256 });

const table = z.object({
  name: z.string().regex(/^[a-z_]+$/),
  columns: z.array(z.string().regex(/^[a-z0-9_]+$/)).min(1),
  rows: z.number().int().min(0),
  /** Of the rows as COPY gives them, in the order of the primary key: the same content has the same hash. */
  content: fingerprint,
  /** Of the file: compressed and, where backups are encrypted, encrypted. */
  file: fingerprint,
});

const object = z.object({
  /** In the storage. */
  key: z.string(),
  /** Of the bytes themselves; the file in `objects` is called by it. */
  sha256,
  size: z.number().int().min(0),
  mediaType: z.string(),
  /** Of the file, where it is encrypted. */
  file: fingerprint.optional(),
});

const manifest = z.object({
  format: z.literal(1),
  id: z.string().regex(/^[0-9TZ-]+$/),
  /** The instant that the backup shows. */
  createdAt: z.iso.datetime(),
  program: z.object({ version: z.string(), commit: z.string() }),
  /** Migrations that had run. */
  schema: z.number().int().min(1),
  /** Server version, for example `18.4`. */
  postgres: z.string(),
  encryption: z
    .object({
      kind: z.enum(["passphrase", "recipient"]),
      recipient: z.string(),
      /** Of `key.age`, which a passphrase opens. */
      keyFile: fingerprint.optional(),
    })
    .nullable(),
  /** The highest version of each account. */
  counters: z.record(z.uuid(), z.number().int().min(0)),
  tables: z.array(table),
  objects: z.array(object),
  /** Objects that should be in it and are not. `erased`: their account was erased while the backup was made. */
  missing: z.array(z.object({ key: z.string(), reason: z.enum(["missing", "damaged", "erased"]) })),
  /** The env file, when it was asked for. */
  env: z.object({ content: fingerprint, file: fingerprint }).nullable(),
});

export type Manifest = z.infer<typeof manifest>;
export type TableEntry = z.infer<typeof table>;
export type ObjectEntry = z.infer<typeof object>;

/** Whether everything that should be in the backup is. */
export const isComplete = ({ missing }: Manifest): boolean =>
  missing.every(({ reason }) => reason === "erased");

const extension = ({ encryption }: Pick<Manifest, "encryption">) => (encryption ? ".age" : "");

/** The folder of a snapshot. */
export const folderOf = (id: string): string => `snapshots/${id}/`;

/** What makes a snapshot one: it is written last. */
export const manifestName = (id: string): string => `${folderOf(id)}manifest.json`;

export const tableName = (backup: Pick<Manifest, "id" | "encryption">, table: string): string =>
  `${folderOf(backup.id)}tables/${table}.copy.zst${extension(backup)}`;

export const envName = (backup: Pick<Manifest, "id" | "encryption">): string =>
  `${folderOf(backup.id)}trailglass.env${extension(backup)}`;

export const objectName = (backup: Pick<Manifest, "encryption">, sha256: string): string =>
  `objects/${sha256.slice(0, 2)}/${sha256}${extension(backup)}`;

/** The same in the form of sha256sum(1), so that it can be checked by hand. */
const sumName = (id: string): string => `${manifestName(id)}.sha256`;

const sumText = (sha256: string) => `${sha256}  manifest.json\n`;

/** Writes the manifest: from now on the snapshot is there. */
export async function writeManifest(files: BackupFiles, content: Manifest): Promise<void> {
  const text = `${JSON.stringify(content, null, 1)}\n`;
  const { sha256 } = await fingerprintOf(streamOf(text));
  await files.write(sumName(content.id), streamOf(sumText(sha256)));
  await files.write(manifestName(content.id), streamOf(text));
}

/**
 * Reads a manifest.
 * @throws BackupError damaged; refused when a newer program wrote it
 */
export async function readManifest(files: BackupFiles, id: string): Promise<Manifest> {
  const text = await readText(files, manifestName(id));
  if (text === null) throw new BackupError("damaged", `There is no backup ${id} in ${files.place}`);
  const sum = await readText(files, sumName(id));
  const found = await fingerprintOf(streamOf(text));
  if (sum !== sumText(found.sha256))
    throw new BackupError("damaged", `The manifest of the backup ${id} is damaged`);
  const content = JSON.parse(text);
  if (content.format > 1)
    throw new BackupError(
      "refused",
      `The backup ${id} is of a newer program (${content.program?.version}): use that one`,
    );
  const read = manifest.safeParse(content);
  if (!read.success) throw new BackupError("damaged", `The manifest of the backup ${id} makes no sense`);
  return read.data;
}

/** Ids of all snapshots, the oldest first. */
export async function listSnapshots(files: BackupFiles): Promise<string[]> {
  const ids: string[] = [];
  for await (const { name } of files.list("snapshots/")) {
    const id = /^snapshots\/([0-9TZ-]+)\/manifest\.json$/.exec(name)?.[1];
    if (id) ids.push(id);
  }
  return ids.sort();
}

/** The snapshot that is meant: the newest, unless one is named. @throws BackupError when there is none */
export async function chooseSnapshot(files: BackupFiles, wanted: string | undefined): Promise<string> {
  const ids = await listSnapshots(files);
  const id = wanted === undefined ? ids.at(-1) : ids.find((candidate) => candidate === wanted);
  if (id) return id;
  const message =
    wanted === undefined
      ? `There are no backups in ${files.place}`
      : `There is no backup ${wanted} in ${files.place}`;
  throw new BackupError("refused", message);
}
