import type { Fingerprint } from "../storage/fingerprint.ts";

export interface FileInfo {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
}

/**
 * Where backups lie: a folder, a bucket, or an archive to carry away. Files are whole or not there at all. Their names
 * are paths with slashes.
 */
export interface BackupFiles {
  /** For people: the folder, the bucket, the file. */
  readonly place: string;
  /** Nothing can be written or removed. */
  readonly isReadOnly?: boolean;

  /**
   * Writes a file. When this resolves, it has been read back and is on disk for good.
   * @returns what was written
   * @throws BackupError unwritable, or what the body throws; nothing is under that name then
   */
  write(name: string, body: ReadableStream<Uint8Array>): Promise<Fingerprint>;

  /** @returns null when there is no such file */
  read(name: string): Promise<ReadableStream<Uint8Array> | null>;

  /** All files whose names start with a prefix, in any order. */
  list(prefix: string): AsyncIterable<FileInfo>;

  /** Removes a file; one that is not there is no error. */
  remove(name: string): Promise<void>;

  /**
   * Whoever writes or removes holds this.
   * @returns what gives it back
   * @throws BackupError busy
   */
  lock(): Promise<() => Promise<void>>;

  close(): Promise<void>;
}

/** Pieces to write, from text or bytes. */
export const streamOf = (content: string | Uint8Array<ArrayBuffer>): ReadableStream<Uint8Array> =>
  new Blob([content]).stream();

/** The whole of a small file as text; null when it is not there. */
export async function readText(files: BackupFiles, name: string): Promise<string | null> {
  const body = await files.read(name);
  return body && new Response(body).text();
}
