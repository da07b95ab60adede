import { sql } from "drizzle-orm";
import type { Database } from "../database/client.ts";
import type { Log } from "../log.ts";
import { findUnknown } from "../storage/books.ts";
import { destroy, listDue, postpone } from "../storage/references.ts";
import type { ObjectStorage } from "../storage/storage.ts";
import { sizes, thumbnailKey } from "./previews/thumbnail-keys.ts";
import type { Spool } from "./spool.ts";

const day = 24 * 3600 * 1000;

/** Days after which an object of some areas is of no use any more, whatever the books say. */
const longestLife = { uploads: 1, probes: 1, exports: 8 };

/** Keys looked up at once. */
const batch = 100;

export interface SweeperParts {
  readonly db: Database;
  readonly storage: ObjectStorage;
  readonly spool: Spool;
  readonly log: Log;
}

/**
 * Deletes the bytes that nothing refers to: of photos that were deleted a day ago (so that a backup that runs
 * meanwhile is whole), of uploads that were cut off, of accounts that were erased. Any number may run at once.
 */
export class Sweeper {
  readonly #deriving: { delete(key: string): Promise<void> };

  constructor(private readonly parts: SweeperParts) {
    const { storage } = parts;
    this.#deriving = {
      async delete(key) {
        for (const size of sizes) await storage.delete(thumbnailKey(key, size));
        await storage.delete(key);
      },
    };
  }

  /** Sweeps once. @returns how many objects were deleted */
  async run(): Promise<number> {
    await this.#retire();
    await this.parts.spool.sweep();
    const deleted = await this.deleteDue();
    await this.#sweepByAge();
    await this.parts.storage.sweepFragments();
    return deleted;
  }

  /** Deletes at once what an erased account had. What fails is left to the next sweep. */
  async afterErasure(): Promise<void> {
    try {
      await this.deleteDue(1);
    } catch (error) {
      this.parts.log.warn({ err: error }, "what an erased account had stored waits for the sweeper");
    }
  }

  /**
   * Deletes what is due. What cannot be deleted now is tried again in an hour.
   * @param patience failures after which the storage is taken to be away, and left alone
   */
  async deleteDue(patience = 3): Promise<number> {
    const { db, log } = this.parts;
    let deleted = 0;
    let failed = 0;
    for (let keys = await listDue(db, batch); keys.length > 0; keys = await listDue(db, batch)) {
      for (const key of keys) {
        try {
          if (await destroy(db, this.#deriving, key, "due")) deleted++;
        } catch (error) {
          log.warn({ err: error }, "an object that nothing refers to cannot be deleted now");
          await postpone(db, key);
          if (++failed >= patience) return deleted;
        }
      }
    }
    return deleted;
  }

  /**
   * What lies in the books of nobody: put to URLs of the storage's own, past this server, when nobody waited for it any
   * longer; left by a look whether the storage works; and exports that a restored database does not know of. The books
   * are asked as well: a machine without a battery for its clock may have written yesterday's file in another year.
   */
  async #sweepByAge(): Promise<void> {
    const { db, storage } = this.parts;
    for (const [area, days] of Object.entries(longestLife)) {
      for await (const { key, modifiedAt } of storage.list(`${area}/`)) {
        if (Date.now() - modifiedAt.getTime() <= days * day) continue;
        if ((await findUnknown(db, [key])).length > 0) await storage.delete(key);
      }
    }
  }

  /** Lets go of what deleted photos showed, and of uploads that were never confirmed. */
  async #retire(): Promise<void> {
    const { db } = this.parts;
    await db.execute(sql`DELETE FROM direct_uploads WHERE created_at < now() - interval '1 day'`);
    await db.execute(sql`
      WITH gone AS (SELECT user_id, id FROM photos WHERE deleted_at < now() - interval '1 day' AND EXISTS (
        SELECT FROM photo_files f WHERE f.user_id = photos.user_id AND f.photo_id = photos.id) FOR UPDATE SKIP LOCKED)
      DELETE FROM photo_files f USING gone WHERE gone.user_id = f.user_id AND gone.id = f.photo_id`);
    // Whoever shows an object locks its row first and sets used_at: then this waits, looks again, and lets it be.
    await db.execute(sql`
      WITH gone AS (
        DELETE FROM stored_objects o WHERE o.used_at < now() - interval '1 day' AND NOT EXISTS (
          SELECT FROM photo_files f WHERE f.user_id = o.user_id AND f.sha256 = o.sha256)
        RETURNING key)
      INSERT INTO unreferenced_objects (key, due_at) SELECT key, now() FROM gone ON CONFLICT (key) DO NOTHING`);
  }
}
