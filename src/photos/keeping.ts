import type { Database, Transaction } from "../database/client.ts";
import { AppError } from "../errors.ts";
import { type PictureFacts, readFacts } from "../images/picture-facts.ts";
import { newKey } from "../storage/object-key.ts";
import { announce, claim, release } from "../storage/references.ts";
import type { ObjectStorage } from "../storage/storage.ts";
import type { SpooledPicture } from "./spool.ts";
import { findByContent, holdPicture, recordPicture, type StoredPicture } from "./stored-pictures.ts";

/** A picture whose bytes are in the storage, but which nothing refers to yet. */
export interface KeptPicture extends StoredPicture {
  /** What the bytes say; null when they were there already, and are known. */
  readonly facts: PictureFacts | null;
  /** The key of the same content whose bytes were lost. */
  readonly replaces: string | null;
}

/** The sweeper was faster: the bytes have to be stored again. */
export class SweptAway extends AppError {
  constructor() {
    super("SERVICE_UNAVAILABLE", "The picture was just being cleaned up; send it again", {
      headers: { "Retry-After": "1" },
    });
  }
}

async function isWhole(storage: ObjectStorage, { key, size }: StoredPicture): Promise<boolean> {
  return (await storage.stat(key))?.size === size;
}

/**
 * Brings a picture's bytes into the storage, unless the account has the same ones there. When this resolves they are
 * there for good; only then may anything refer to them.
 */
export async function keepPicture(
  { db, storage }: { db: Database; storage: ObjectStorage },
  userId: string,
  picture: SpooledPicture,
): Promise<KeptPicture> {
  const known = await findByContent(db, userId, picture.sha256);
  if (known && (await isWhole(storage, known))) return { ...known, facts: null, replaces: null };
  const { path, sha256, size, mediaType } = picture;
  const facts = await readFacts(Bun.file(path), mediaType);
  const key = newKey("originals");
  await announce(db, key);
  await storage.putFile(key, path, { mediaType });
  return { key, sha256, size, mediaType, facts, replaces: known?.key ?? null };
}

/**
 * Makes a kept picture one of the account's. The caller holds the account's counter, so that no two do this at once.
 * @returns the picture as it stands: under another key where the same content came by another way in the meantime
 * @throws SweptAway
 */
export async function adoptPicture(
  tx: Transaction,
  userId: string,
  kept: KeptPicture,
): Promise<StoredPicture> {
  const standing = await findByContent(tx, userId, kept.sha256);
  if (standing && standing.key !== kept.replaces) {
    if (!(await holdPicture(tx, userId, standing))) throw new SweptAway();
    return standing;
  }
  if (kept.facts === null || !(await claim(tx, kept.key))) throw new SweptAway();
  await recordPicture(tx, userId, kept, kept.facts);
  if (kept.replaces) await release(tx, userId, kept.replaces, 0);
  return kept;
}
