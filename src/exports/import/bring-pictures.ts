import { sql } from "drizzle-orm";
import type { Database, Transaction } from "../../database/client.ts";
import { AppError } from "../../errors.ts";
import { keepPicture } from "../../photos/keeping.ts";
import type { Spool, SpooledPicture } from "../../photos/spool.ts";
import { forEachAtOnce } from "../../storage/at-once.ts";
import { requireAnswers, whileItAnswers } from "../../storage/inspection.ts";
import type { ObjectStorage } from "../../storage/storage.ts";
import { DamagedEntry } from "./import-archive.ts";
import type { StageParts } from "./stage-rows.ts";

export interface PictureParts extends StageParts {
  readonly db: Database;
  readonly storage: ObjectStorage;
  readonly spool: Spool;
  readonly userId: string;
}

/** A picture that photos show. The same one may lie in an archive under several names. */
interface WantedPicture extends Record<string, unknown> {
  readonly sha256: string;
  readonly size: number;
  readonly path: string;
}

/** Pictures that are brought into the storage at once. */
const atOnce = 4;

const unreadable = (path: string, message: string) => ({ file: path, row: null, message });

/** Pictures that the archive's photos show, but not those of which it says itself that they are not in it. */
async function listWanted(tx: Transaction, { manifest }: StageParts): Promise<WantedPicture[]> {
  const missing = new Set(manifest.missing.map(({ path }) => path));
  const photos = await tx.execute<WantedPicture>(sql`
    SELECT file_sha256 AS sha256, file_size AS size, file_path AS path FROM pg_temp.import_photos
    WHERE file_path IS NOT NULL ORDER BY place`);
  const wanted = new Map<string, WantedPicture>();
  for (const photo of photos)
    if (!missing.has(photo.path) && !wanted.has(photo.sha256)) wanted.set(photo.sha256, photo);
  return [...wanted.values()];
}

/** Why a picture cannot be had; null when it can. */
function refusal({ archive, spool }: PictureParts, { path, size }: WantedPicture): string | null {
  if (!archive.has(path)) return "is missing";
  if (archive.sizeOf(path) !== size) return `has ${archive.sizeOf(path)} bytes instead of ${size}`;
  return size > spool.maxBytes
    ? `is larger than this server takes (MAX_PHOTO_SIZE, ${spool.maxBytes} bytes)`
    : null;
}

/** A picture on this machine's disk. What is wrong with it is told; null then. */
async function spooled(parts: PictureParts, { path }: WantedPicture): Promise<SpooledPicture | null> {
  try {
    return await parts.spool.receive(parts.archive.read(path));
  } catch (error) {
    const isOfPicture = error instanceof AppError && error.status < 500;
    if (!isOfPicture && !(error instanceof DamagedEntry)) throw error;
    parts.problems.add(unreadable(path, error.message));
    return null;
  }
}

/** Brings one picture. @returns its key; null when it cannot be had */
async function bring(tx: Transaction, parts: PictureParts, wanted: WantedPicture): Promise<string | null> {
  const why = refusal(parts, wanted);
  if (why !== null) {
    parts.problems.add(unreadable(wanted.path, why));
    return null;
  }
  await using picture = await spooled(parts, wanted);
  if (picture === null) return null;
  if (picture.sha256 !== wanted.sha256) {
    parts.problems.add(unreadable(wanted.path, "holds other bytes than were exported"));
    return null;
  }
  const { key, sha256, size, mediaType, facts } = await keepPicture(parts, parts.userId, picture);
  await tx.execute(sql`
    INSERT INTO pg_temp.import_pictures (sha256, key, size, media_type, facts)
    VALUES (${sha256}, ${key}, ${size}, ${mediaType}, ${JSON.stringify(facts ?? {})}::text::jsonb)`);
  return key;
}

/**
 * Brings the pictures of all photos into the storage, each compared with its hash. What kind it is, and what it says of
 * itself, is found out anew. Nothing refers to one before the import is done: until then the books have its key, for the sweeper.
 * @param kept is told of every key
 * @throws StorageAwayError, ImportError
 */
export async function bringPictures(
  tx: Transaction,
  parts: PictureParts,
  kept: (key: string) => void,
): Promise<void> {
  await tx.execute(
    sql.raw(`CREATE TEMP TABLE import_pictures (sha256 text, key text, size bigint, media_type text, facts jsonb)
      ON COMMIT DROP`),
  );
  const wanted = await listWanted(tx, parts);
  if (wanted.length === 0) return;
  const paths = wanted.map(({ path }) => path);
  parts.archive.requireModest(paths, "pictures");
  await requireAnswers(parts.storage);
  const bytes = wanted.reduce((sum, { size }) => sum + size, 0);
  parts.progress?.begin("Copying pictures", bytes, wanted.length);
  const work = async (picture: WantedPicture) => {
    const key = await bring(tx, parts, picture);
    if (key !== null) kept(key);
    parts.progress?.advance(picture.size);
  };
  await whileItAnswers(parts.storage, () => forEachAtOnce(wanted, atOnce, work));
  parts.problems.refuse();
}
