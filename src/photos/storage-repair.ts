import { sql } from "drizzle-orm";
import type { Database, Transaction } from "../database/client.ts";
import {
  type BookedOriginal,
  findOriginal,
  findOwner,
  findUnknown,
  forgetAvatar,
  forgetExport,
} from "../storage/books.ts";
import { areStrangers, type CheckReport, type Finding } from "../storage/check.ts";
import { inspect, StorageAwayError, whileItAnswers } from "../storage/inspection.ts";
import { areaOf } from "../storage/object-key.ts";
import { release } from "../storage/references.ts";
import type { ObjectStorage } from "../storage/storage.ts";
import type { AccountQueue } from "../sync/account-queue.ts";
import { showDifferently } from "./shown-differently.ts";

export interface RepairParts {
  readonly db: Database;
  readonly storage: ObjectStorage;
  readonly accountQueue: AccountQueue;
}

/** Books and storage have nothing in common: to repair either after the other would empty it. */
export class StrangersError extends Error {}

/**
 * Takes an original out of the books: the photos that show it have no bytes any more.
 * @returns ids of those photos that are there; null when the original was not in the books any more
 */
async function takeOut(tx: Transaction, { userId, key }: BookedOriginal): Promise<string[] | null> {
  const [gone] = await tx.execute<{ sha256: string }>(sql`
    DELETE FROM stored_objects WHERE user_id = ${userId} AND key = ${key}
    RETURNING encode(sha256, 'hex') AS sha256`);
  if (!gone) return null;
  const photos = await tx.execute<{ id: string; deleted: boolean }>(sql`
    DELETE FROM photo_files f USING photos p
    WHERE f.user_id = ${userId} AND f.sha256 = decode(${gone.sha256}, 'hex')
      AND p.user_id = f.user_id AND p.id = f.photo_id
    RETURNING p.id, p.deleted_at IS NOT NULL AS deleted`);
  return photos.filter(({ deleted }) => !deleted).map(({ id }) => id);
}

/** Does away with what a check found, each after another look at it. */
class Repair {
  constructor(
    private readonly parts: RepairParts,
    private readonly witness: string | null,
  ) {}

  /** @returns whether the finding is no longer true */
  async one(finding: Finding): Promise<boolean> {
    if (finding.kind === "unreadable") return false;
    if (finding.kind === "orphaned") return this.#orphan(finding.key);
    const area = areaOf(finding.key);
    if (area === "exports") return this.#export(finding);
    return area === "avatars" ? this.#avatar(finding.key) : this.#original(finding);
  }

  async #orphan(key: string): Promise<boolean> {
    const { db, storage } = this.parts;
    if ((await findUnknown(db, [key])).length > 0) await storage.delete(key);
    return true;
  }

  async #avatar(key: string): Promise<boolean> {
    const { db, storage } = this.parts;
    if ((await storage.stat(key)) !== null) return true;
    await this.#requireWitness();
    await forgetAvatar(db, key);
    return true;
  }

  /** It can be asked for again; what is left of a damaged one is of no use. */
  async #export({ kind, key }: Finding): Promise<boolean> {
    const { db, storage } = this.parts;
    if (kind === "missing" && (await storage.stat(key)) !== null) return true;
    await this.#requireWitness();
    await forgetExport(db, key);
    await storage.delete(key);
    return true;
  }

  async #original({ kind, key }: Finding): Promise<boolean> {
    const { db, storage } = this.parts;
    const original = await findOriginal(db, key);
    if (!original) return true;
    const condition = await inspect(storage, key, original);
    if (condition.kind !== kind) return condition.kind === "whole";
    await this.#requireWitness();
    await this.#forget(original);
    return true;
  }

  /** A volume that is not mounted any more looks like one from which everything is gone. @throws StorageAwayError */
  async #requireWitness(): Promise<void> {
    const { db, storage } = this.parts;
    const { witness } = this;
    if (witness === null || (await storage.stat(witness)) || !(await findOwner(db, witness))) return;
    throw new StorageAwayError(
      "Pictures that were there a moment ago are gone: is the storage being changed?",
    );
  }

  /** Other devices hear that the photos have no bytes. */
  async #forget(original: BookedOriginal): Promise<void> {
    const { userId, key } = original;
    await showDifferently(this.parts.accountQueue, userId, async (tx) => {
      const photoIds = await takeOut(tx, original);
      // What is left of damaged bytes may still be better than nothing.
      if (photoIds !== null) await release(tx, userId, key, 30);
      return photoIds ?? [];
    });
  }
}

/**
 * Repairs what a check found. Orphans are deleted; originals that are missing or altered are taken out of the books, so
 * that phones can upload them again, and what is left of them stays for 30 days; accounts lose avatars that are missing,
 * and exports that are.
 * @param evenStrangers also where books and storage have nothing in common
 * @returns the findings that are still true
 * @throws StrangersError before anything is changed; StorageAwayError: what was repaired by then stays so
 */
export async function repairStorage(
  parts: RepairParts,
  { findings, witness, ...rest }: CheckReport,
  evenStrangers = false,
): Promise<Finding[]> {
  if (!evenStrangers && areStrangers({ ...rest, findings, witness }))
    throw new StrangersError("The storage has none of the pictures that the database knows of");
  const repair = new Repair(parts, witness);
  const left: Finding[] = [];
  await whileItAnswers(parts.storage, async () => {
    for (const finding of findings) if (!(await repair.one(finding))) left.push(finding);
  });
  return left;
}
