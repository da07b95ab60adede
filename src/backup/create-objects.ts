import { sql } from "drizzle-orm";
import type { Database, Transaction } from "../database/client.ts";
import { forEachAtOnce } from "../storage/at-once.ts";
import { findOwner } from "../storage/books.ts";
import {
  bytesOf,
  type Fingerprint,
  fingerprintOf,
  PromisedBytes,
  readFingerprint,
} from "../storage/fingerprint.ts";
import { inspect, whileItAnswers } from "../storage/inspection.ts";
import type { ObjectStorage } from "../storage/storage.ts";
import { BackupError } from "./error.ts";
import type { BackupFiles } from "./files.ts";
import { type Manifest, type ObjectEntry, objectName } from "./manifest.ts";
import type { BackupProgress } from "./progress.ts";
import { type Sealing, sealStream } from "./sealing.ts";
import { tables } from "./tables.ts";

/** An object that the database names. Of a profile picture it knows neither size nor hash. */
export interface WantedObject {
  readonly key: string;
  readonly mediaType: string;
  readonly promised: Fingerprint | null;
}

/** Objects that are copied at once: enough to keep a disk and a network busy. */
const atOnce = 2;

/** The originals of photos that are not deleted, and profile pictures. */
export async function listWanted(tx: Transaction): Promise<WantedObject[]> {
  const [found] = await tx.execute<{ there: boolean }>(
    sql`SELECT to_regclass('stored_objects') IS NOT NULL AS there`,
  );
  if (!found?.there) return [];
  const live = tables.find(({ name }) => name === "stored_objects")?.only ?? "true";
  const rows = await tx.execute<{
    key: string;
    mediaType: string;
    size: number | null;
    sha256: string | null;
  }>(sql`
    SELECT key, media_type AS "mediaType", size, encode(sha256, 'hex') AS sha256 FROM stored_objects t WHERE ${sql.raw(live)}
    UNION ALL SELECT avatar_key, 'image/jpeg', NULL, NULL FROM users WHERE avatar_key IS NOT NULL
    ORDER BY key`);
  return rows.map(({ key, mediaType, size, sha256 }) => ({
    key,
    mediaType,
    promised: size !== null && sha256 !== null ? { size, sha256 } : null,
  }));
}

interface ObjectParts {
  readonly db: Database;
  readonly storage: ObjectStorage;
  readonly files: BackupFiles;
  readonly sealing: Sealing | null;
  readonly previous: Manifest | null;
  readonly progress?: BackupProgress;
}

/** Copies what a snapshot names into the place of backups, unless it lies there. */
class ObjectCopies {
  readonly objects: ObjectEntry[] = [];
  readonly missing: Manifest["missing"] = [];
  /** Sizes of the files that are there, by name. */
  readonly #there = new Map<string, number>();
  /** Those written by this backup. */
  readonly #written = new Map<string, Fingerprint>();
  readonly #before: ReadonlyMap<string, ObjectEntry>;
  /** The last who came for a file: the same picture may belong to two people. */
  readonly #underWay = new Map<string, Promise<Fingerprint | null>>();

  constructor(private readonly parts: ObjectParts) {
    this.#before = new Map(parts.previous?.objects.map((entry) => [entry.key, entry]));
  }

  async look(): Promise<void> {
    for await (const { name, size } of this.parts.files.list("objects/")) this.#there.set(name, size);
  }

  async bring({ key, mediaType, promised }: WantedObject): Promise<void> {
    const { storage, progress } = this.parts;
    const before = this.#before.get(key);
    const content =
      promised ?? before ?? (await whileItAnswers(storage, () => readFingerprint(storage, key)));
    if (!content) {
      await this.#note(key, "missing");
      return;
    }
    const { size, sha256 } = content;
    const file = await this.#copy(key, { size, sha256 });
    if (file) this.objects.push({ key, sha256, size, mediaType, ...(this.parts.sealing && { file }) });
    progress?.advance(size);
  }

  /** @returns what the file is; null when the object is not to be had */
  #copy(key: string, content: Fingerprint): Promise<Fingerprint | null> {
    const name = objectName({ encryption: this.parts.sealing }, content.sha256);
    const before = this.#underWay.get(name)?.catch(() => {});
    const copying = Promise.resolve(before).then(() => this.#copyTo(name, key, content));
    this.#underWay.set(name, copying);
    return copying;
  }

  async #copyTo(name: string, key: string, content: Fingerprint): Promise<Fingerprint | null> {
    const present = await this.#present(name, key, content);
    if (present) return present;
    const object = await whileItAnswers(this.parts.storage, () => this.parts.storage.get(key));
    if (!object) return this.#note(key, "missing");
    const bytes = new PromisedBytes(bytesOf(object), content);
    try {
      return await this.#write(name, bytes.stream);
    } catch (error) {
      if (!bytes.failure) throw error;
      return this.#explain(key, content, error);
    }
  }

  async #write(name: string, clear: ReadableStream<Uint8Array>): Promise<Fingerprint> {
    const written = await this.parts.files.write(name, await sealStream(clear, this.parts.sealing));
    this.#written.set(name, written);
    return written;
  }

  /** A file that is there under its final name is whole; one of another length has been tampered with since. */
  async #present(name: string, key: string, content: Fingerprint): Promise<Fingerprint | null> {
    const written = this.#written.get(name);
    if (written) return written;
    const size = this.#there.get(name);
    if (size === undefined) return null;
    if (!this.parts.sealing) return size === content.size ? content : null;
    const known = this.#before.get(key)?.file;
    if (known && known.size === size) return known;
    const body = await this.parts.files.read(name);
    return body && fingerprintOf(body);
  }

  /** What a reader met: a storage that is away, an object that is damaged, or one that failed only this time. */
  async #explain(key: string, content: Fingerprint, error: unknown): Promise<null> {
    const { storage } = this.parts;
    const condition = await inspect(storage, key, content);
    if (condition.kind === "whole")
      throw new BackupError("damaged", "A picture did not arrive as it lies in the storage; try again", {
        cause: error,
      });
    return this.#note(key, condition.kind === "missing" ? "missing" : "damaged");
  }

  async #note(key: string, reason: "missing" | "damaged"): Promise<null> {
    // Of an erased account nothing is kept for a day: it is no longer in the books either.
    const owner = await findOwner(this.parts.db, key);
    this.missing.push({ key, reason: owner ? reason : "erased" });
    return null;
  }
}

/**
 * Brings all objects into the place of backups.
 * @throws StorageAwayError, BackupError; what was copied by then stays, and is not copied again
 */
export async function backUpObjects(
  parts: ObjectParts,
  wanted: readonly WantedObject[],
): Promise<Pick<Manifest, "objects" | "missing">> {
  const copies = new ObjectCopies(parts);
  await copies.look();
  parts.progress?.begin(
    "Copying pictures",
    wanted.reduce((sum, { promised }) => sum + (promised?.size ?? 0), 0),
    wanted.length,
  );
  await forEachAtOnce(wanted, atOnce, (object) => copies.bring(object));
  return {
    objects: copies.objects.toSorted((one, other) => (one.key < other.key ? -1 : 1)),
    missing: copies.missing,
  };
}
