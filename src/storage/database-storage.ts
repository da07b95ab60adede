import { sql } from "drizzle-orm";
import type { Database } from "../database/client.ts";
import { codeOf, isTransient } from "../database/sqlstate.ts";
import { Garbage } from "../garbage.ts";
import { away, causeOf, diskFull } from "./away.ts";
import { DeadlineError, withinPatience } from "./deadline.ts";
import { abandon, cut, toStream } from "./pieces.ts";
import { roundTrip } from "./round-trip.ts";
import type { ByteRange, ObjectInfo, ObjectStorage, OpenObject } from "./storage.ts";

/** Bytes of every chunk but the last. */
const chunkSize = 512 * 1024;
/** Objects that are listed at once. */
const pageSize = 1000;

/** Milliseconds since 1970. */
const modifiedAt = sql`extract(epoch FROM modified_at)::float8 * 1000 AS modified_at`;

interface BlobRow extends Record<string, unknown> {
  key: string;
  size: number;
  modified_at: number;
}

/** An object as it was when a reader opened it. */
interface OpenBlob {
  readonly key: string;
  readonly size: number;
  /** Differs once the object was replaced. */
  readonly version: string;
}

const toInfo = (row: BlobRow): ObjectInfo => ({
  key: row.key,
  size: row.size,
  modifiedAt: new Date(row.modified_at),
});

/**
 * Objects in Postgres, in chunks. No connection is held while bytes come or go: every chunk is a statement of its own.
 * What is written has a draft's key until all of it is there; then one short transaction gives it its real one.
 */
export class DatabaseStorage implements ObjectStorage {
  readonly backend = "database";
  readonly #garbage = new Garbage();

  constructor(readonly db: Database) {}

  async put(key: string, body: ReadableStream<Uint8Array>): Promise<void> {
    const draft = `${key}~${crypto.randomUUID()}`;
    try {
      const size = await this.#writeChunks(draft, body);
      await withStatus(this.#publish(key, draft, size));
    } catch (error) {
      abandon(body);
      // Not waited for: the database may be away. What stays is swept.
      this.db.execute(sql`DELETE FROM stored_chunks WHERE key = ${draft}`).catch(() => {});
      throw error;
    }
  }

  async putFile(key: string, path: string): Promise<void> {
    const file = Bun.file(path);
    try {
      await this.put(key, file.stream());
    } finally {
      await file.delete().catch(() => {});
    }
  }

  async get(key: string, range?: ByteRange): Promise<OpenObject | null> {
    const rows = await withStatus(
      this.db.execute<{ size: number; version: string }>(
        sql`SELECT size, modified_at::text AS version FROM stored_blobs WHERE key = ${key}`,
      ),
    );
    const [blob] = rows;
    if (!blob) return null;
    const { start, end } = range ?? { start: 0, end: blob.size - 1 };
    return { size: blob.size, body: toStream(this.#readChunks({ key, ...blob }, start, end)) };
  }

  async stat(key: string): Promise<ObjectInfo | null> {
    const [row] = await withStatus(
      this.db.execute<BlobRow>(sql`SELECT key, size, ${modifiedAt} FROM stored_blobs WHERE key = ${key}`),
    );
    return row ? toInfo(row) : null;
  }

  async delete(key: string): Promise<void> {
    await withStatus(
      this.db.transaction(async (tx) => {
        // The row is the lock: without one, chunks may be those of an object that is just being put.
        const gone = await tx.execute(sql`DELETE FROM stored_blobs WHERE key = ${key}`);
        if (gone.count > 0) await tx.execute(sql`DELETE FROM stored_chunks WHERE key = ${key}`);
      }),
    );
  }

  async *list(prefix: string): AsyncGenerator<ObjectInfo> {
    let after = "";
    let rows: BlobRow[];
    do {
      rows = await withStatus(this.#page(prefix, after));
      yield* rows.map(toInfo);
      after = rows.at(-1)?.key ?? "";
    } while (rows.length === pageSize);
  }

  signedUrl(): null {
    return null;
  }

  async probe(): Promise<void> {
    try {
      await roundTrip(this);
    } catch (error) {
      const cause = causeOf(error);
      throw new Error(`the database does not store objects: ${(cause as Error).message}`, { cause });
    }
  }

  async close(): Promise<void> {}

  /** Deletes what is left of writes that were cut off more than a day ago. */
  async sweepFragments(): Promise<void> {
    await this.db.execute(sql`
      DELETE FROM stored_chunks
      WHERE written_at < now() - interval '1 day'
        AND NOT EXISTS (SELECT FROM stored_blobs WHERE stored_blobs.key = stored_chunks.key)`);
  }

  /** @returns bytes of all chunks */
  async #writeChunks(draft: string, body: ReadableStream<Uint8Array>): Promise<number> {
    let size = 0;
    for await (const { bytes } of cut(body, chunkSize)) {
      // An empty object has no chunk, and neither has a stream that ended before its last piece began.
      if (bytes.byteLength === 0) break;
      this.#garbage.note(4 * bytes.byteLength);
      const position = size / chunkSize;
      size += bytes.byteLength;
      await withStatus(
        this.db.execute(
          sql`INSERT INTO stored_chunks (key, position, bytes) VALUES (${draft}, ${position}, decode(${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64")}, 'base64'))`,
        ),
      );
    }
    return size;
  }

  /** Puts all chunks of a draft in the place of whatever has the key. */
  async #publish(key: string, draft: string, size: number): Promise<void> {
    await this.db.transaction(async (tx) => {
      // First, since the row is the lock that two writers of one key meet at.
      await tx.execute(sql`
        INSERT INTO stored_blobs (key, size, modified_at) VALUES (${key}, ${size}, clock_timestamp())
        ON CONFLICT (key) DO UPDATE SET size = excluded.size, modified_at = excluded.modified_at`);
      await tx.execute(sql`DELETE FROM stored_chunks WHERE key = ${key}`);
      // The bytes stay where they are: Postgres moves large values along by reference.
      const moved = await tx.execute(
        sql`UPDATE stored_chunks SET key = ${key}, written_at = now() WHERE key = ${draft}`,
      );
      if (moved.count !== Math.ceil(size / chunkSize)) throw new Error(`chunks of ${key} were swept away`);
    });
  }

  /** @param start offset of the first byte @param end offset of the last byte */
  async *#readChunks(blob: OpenBlob, start: number, end: number): AsyncGenerator<Uint8Array> {
    for (let position = Math.floor(start / chunkSize); position * chunkSize <= end; position++) {
      const offset = position * chunkSize;
      const bytes = await withStatus(this.#readChunk(blob, position));
      // Better no end than a wrong one: whoever reads notices that bytes are missing.
      if (bytes?.byteLength !== Math.min(chunkSize, blob.size - offset)) {
        throw away(new Error(`${blob.key} went or changed while it was read, or has lost chunk ${position}`));
      }
      this.#garbage.note(4 * chunkSize);
      yield bytes.subarray(Math.max(start - offset, 0), end + 1 - offset);
    }
  }

  async #readChunk({ key, version }: OpenBlob, position: number): Promise<Uint8Array | undefined> {
    const [row] = await this.db.execute<{ bytes: Uint8Array }>(sql`
      SELECT bytes FROM stored_chunks JOIN stored_blobs USING (key)
      WHERE key = ${key} AND position = ${position} AND modified_at = ${version}::timestamptz`);
    return row?.bytes;
  }

  /** Keys are ASCII below the tilde: it ends a range of them. */
  #page(prefix: string, after: string): Promise<BlobRow[]> {
    return this.db.execute<BlobRow>(sql`
      SELECT key, size, ${modifiedAt} FROM stored_blobs
      WHERE key >= ${prefix} AND key < ${`${prefix}~`} AND key > ${after} ORDER BY key LIMIT ${pageSize}`);
  }
}

/** Waits for the database, though not for long. @throws 503 when it is away, silent or full. */
async function withStatus<T>(work: Promise<T>): Promise<T> {
  try {
    return await withinPatience(work);
  } catch (error) {
    if (codeOf(error) === "53100") throw diskFull(error);
    throw error instanceof DeadlineError || isTransient(error) ? away(error) : error;
  }
}
