import { type Fingerprint, PromisedBytes } from "../storage/fingerprint.ts";
import { toStream } from "../storage/pieces.ts";
import { BackupError } from "./error.ts";
import type { BackupFiles } from "./files.ts";
import {
  envName,
  type Manifest,
  type ObjectEntry,
  objectName,
  type TableEntry,
  tableName,
} from "./manifest.ts";
import { type Unsealing, unsealStream } from "./sealing.ts";
import { Watched } from "./watched.ts";

/** The types of the two ends differ in what may lie behind a piece; they fit all the same. */
type Through = ReadableWritablePair<Uint8Array, Uint8Array>;

/** A file of a snapshot, and what is in it. */
export interface Packed {
  readonly name: string;
  /** Of what is in it: decrypted and decompressed. */
  readonly content: Fingerprint;
  /** Of the file itself. */
  readonly file: Fingerprint;
  readonly isCompressed: boolean;
}

/** A file that is being read. */
export interface Unpacking {
  /** What is in it. It fails before its last piece when that is not what the manifest says. */
  readonly stream: ReadableStream<Uint8Array>;
  /** The file as it was read; to be asked once the stream is at its end. */
  fileSeen(): Fingerprint;
}

export const packedTable = (manifest: Manifest, { name, content, file }: TableEntry): Packed => ({
  name: tableName(manifest, name),
  content,
  file,
  isCompressed: true,
});

export const packedObject = (manifest: Manifest, { sha256, size, file }: ObjectEntry): Packed => ({
  name: objectName(manifest, sha256),
  content: { size, sha256 },
  file: file ?? { size, sha256 },
  isCompressed: false,
});

export const packedEnv = (manifest: Manifest, env: NonNullable<Manifest["env"]>): Packed => ({
  name: envName(manifest),
  ...env,
  isCompressed: false,
});

/** Whatever stumbles over changed bytes says so in words of its own; these are ours. */
async function* inWords(
  content: ReadableStream<Uint8Array>,
  name: string,
  seen: Watched,
): AsyncGenerator<Uint8Array> {
  try {
    yield* content;
  } catch (cause) {
    if (seen.failure !== undefined) throw seen.failure;
    throw new BackupError("damaged", `${name} is damaged`, { cause });
  }
}

/**
 * Opens a file of a snapshot.
 * @returns null when it is not there
 * @throws BackupError sealed; later, from its stream, damaged, or what the place throws
 */
export async function unpack(
  files: BackupFiles,
  { name, content, isCompressed }: Packed,
  key: Unsealing | null,
): Promise<Unpacking | null> {
  const body = await files.read(name);
  if (!body) return null;
  const seen = new Watched(body);
  const clear = await unsealStream(toStream(seen.pieces()), key);
  const whole = isCompressed
    ? clear.pipeThrough(new DecompressionStream("zstd") as unknown as Through)
    : clear;
  const promised = new PromisedBytes(whole, content);
  return { stream: toStream(inWords(promised.stream, name, seen)), fileSeen: () => seen.fingerprint() };
}

/** The key for a backup: none for one in clear. @throws BackupError sealed */
export function keyFor({ id, encryption }: Manifest, key: Unsealing | null): Unsealing | null {
  if (!encryption) return null;
  if (key === null) throw new BackupError("sealed", `The backup ${id} is encrypted: its key is needed`);
  return key;
}

/**
 * Opens a table's rows, in the text format of COPY.
 * @returns pieces; the last one comes only when all of them are what the manifest says
 * @throws BackupError damaged (also while they come), sealed; StorageAwayError
 */
export async function openTable(
  files: BackupFiles,
  manifest: Manifest,
  entry: TableEntry,
  key: Unsealing | null,
): Promise<ReadableStream<Uint8Array>> {
  const packed = packedTable(manifest, entry);
  const open = await unpack(files, packed, keyFor(manifest, key));
  if (!open) throw new BackupError("damaged", `${packed.name} is missing in ${files.place}`);
  return open.stream;
}

/**
 * Opens an object's bytes; they fail as those of a table do.
 * @returns null when its file is not there
 */
export async function openObject(
  files: BackupFiles,
  manifest: Manifest,
  entry: ObjectEntry,
  key: Unsealing | null,
): Promise<ReadableStream<Uint8Array> | null> {
  const open = await unpack(files, packedObject(manifest, entry), keyFor(manifest, key));
  return open?.stream ?? null;
}

/** The env file in a snapshot; null when it has none. @throws BackupError */
export async function readEnv(
  files: BackupFiles,
  manifest: Manifest,
  key: Unsealing | null,
): Promise<string | null> {
  if (manifest.env === null) return null;
  const packed = packedEnv(manifest, manifest.env);
  const open = await unpack(files, packed, keyFor(manifest, key));
  if (!open) throw new BackupError("damaged", `${packed.name} is missing in ${files.place}`);
  return new Response(open.stream).text();
}
