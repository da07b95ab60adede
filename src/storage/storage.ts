/** What is known of an object without reading it. */
export interface ObjectInfo {
  readonly key: string;
  /** Bytes. */
  readonly size: number;
  readonly modifiedAt: Date;
}

/** A part of an object: offsets of its first and its last byte, both included. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** An object that is being read. A body that is not read to its end has to be cancelled. */
export interface OpenObject {
  /** Bytes of the whole object, whatever part of it the body is. */
  readonly size: number;
  /** Handed out only as fast as it is taken. A Blob is a file that is read when it is asked for. */
  readonly body: Blob | ReadableStream<Uint8Array>;
}

/**
 * Where bytes lie: a folder, Postgres, or S3. Objects are whole or not there at all, and never change: what shall be
 * different gets another key. Every call that cannot be done now (storage away, slow or full) throws a 503 with
 * `Retry-After`, within ten seconds of the last progress.
 */
export interface ObjectStorage {
  readonly backend: "directory" | "database" | "s3";

  /** Stores an object from a stream of any length. When this resolves, the bytes are on disk for good. */
  put(key: string, body: ReadableStream<Uint8Array>, options: PutOptions): Promise<void>;

  /** The same from a file, which the caller gives away: it may be moved, and is gone afterwards, also on failure. */
  putFile(key: string, path: string, options: PutOptions): Promise<void>;

  /**
   * Opens an object, or a part of it that lies within its size.
   * @returns null when there is no such object
   */
  get(key: string, range?: ByteRange): Promise<OpenObject | null>;

  /** @returns null when there is no such object */
  stat(key: string): Promise<ObjectInfo | null>;

  /** Deletes an object; one that is not there is no error. */
  delete(key: string): Promise<void>;

  /** All objects whose keys start with a prefix, in any order. */
  list(prefix: string): AsyncIterable<ObjectInfo>;

  /**
   * A URL at which the storage itself gives or takes the bytes, for a while.
   * @param seconds how long it is good for
   * @returns null where only this server reaches the storage, and so has to hand the bytes through
   */
  signedUrl(method: "GET" | "PUT", key: string, seconds: number): string | null;

  /** Writes, reads and deletes a small object. @throws what is wrong, in words for an administrator. */
  probe(): Promise<void>;

  /** Deletes what is left of writes that were cut off more than a day ago. */
  sweepFragments(): Promise<void>;

  /** Lets go of connections. */
  close(): Promise<void>;
}

export interface PutOptions {
  /** Media type under which the storage hands the object out, where it does so itself. */
  readonly mediaType: string;
}
