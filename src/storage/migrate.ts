import type { Database } from "../database/client.ts";
import { forEachAtOnce } from "./at-once.ts";
import { findOwner, listAvatars, listExports, listOriginals, readTotals } from "./books.ts";
import type { Finding, Progress } from "./check.ts";
import { bytesOf, type Fingerprint, isSame, PromisedBytes, readFingerprint } from "./fingerprint.ts";
import { type Condition, inspect, requireAnswers, StorageAwayError, whileItAnswers } from "./inspection.ts";
import type { ObjectStorage } from "./storage.ts";

export interface MigrateParts {
  readonly db: Database;
  readonly source: ObjectStorage;
  readonly target: ObjectStorage;
  readonly progress?: Progress;
}

export interface MigrationReport {
  /** Objects that were copied, and their bytes. */
  readonly copied: number;
  readonly bytes: number;
  /** Objects that lay in the target already, whole. */
  readonly present: number;
  /** Objects that could not be copied, as they are damaged in the source. */
  readonly findings: readonly Finding[];
}

/** Objects that are copied at once. */
const atOnce = 4;
/** How often an object is written before the target is given up. */
const mostAttempts = 3;

interface Item extends Fingerprint {
  readonly key: string;
  readonly mediaType: string;
}

class Migration {
  readonly #findings: Finding[] = [];
  #copied = 0;
  #bytes = 0;
  #present = 0;

  constructor(private readonly parts: MigrateParts) {}

  async run(): Promise<MigrationReport> {
    const { db, progress } = this.parts;
    progress?.begin(await readTotals(db));
    await forEachAtOnce(listOriginals(db), atOnce, async (original) => {
      await this.#bring(original);
      progress?.advance(original.size);
    });
    await forEachAtOnce(listAvatars(db), atOnce, async (key) => {
      await this.#bringAvatar(key);
      progress?.advance(0);
    });
    await forEachAtOnce(listExports(db), atOnce, async (one) => {
      await this.#bring({ ...one, mediaType: "application/zip" });
      progress?.advance(one.size);
    });
    return { copied: this.#copied, bytes: this.#bytes, present: this.#present, findings: this.#findings };
  }

  /** The books know neither size nor hash of an avatar: it shall be in the target as it is in the source. */
  async #bringAvatar(key: string): Promise<void> {
    const found = await whileItAnswers(this.parts.source, () => readFingerprint(this.parts.source, key));
    if (found) await this.#bring({ ...found, key, mediaType: "image/jpeg" });
    else await this.#note(key, { kind: "missing" });
  }

  async #bring(item: Item): Promise<void> {
    const { source, target } = this.parts;
    if (await whileItAnswers(target, () => this.#isThere(item))) {
      this.#present++;
      return;
    }
    for (let attempt = 1; ; attempt++) {
      if (await this.#copy(item)) break;
      const condition = await inspect(source, item.key, item);
      if (condition.kind !== "whole") return this.#note(item.key, condition);
      if (attempt === mostAttempts) throw new StorageAwayError("An object does not arrive as it was sent");
    }
    this.#copied++;
    this.#bytes += item.size;
  }

  /** Size alone says little: it may be foreign, or what an interrupted copy left. */
  async #isThere(item: Item): Promise<boolean> {
    const { target } = this.parts;
    if ((await target.stat(item.key))?.size !== item.size) return false;
    const found = await readFingerprint(target, item.key).catch(() => null);
    return found !== null && isSame(found, item);
  }

  /** @returns whether the object now lies in the target, read back and compared */
  async #copy(item: Item): Promise<boolean> {
    const { source, target } = this.parts;
    const object = await whileItAnswers(source, () => source.get(item.key));
    if (!object) return false;
    const bytes = new PromisedBytes(bytesOf(object), item);
    try {
      await target.put(item.key, bytes.stream, item);
    } catch {
      if (!bytes.failure) await requireAnswers(target);
      return false;
    }
    return whileItAnswers(target, () => this.#isThere(item));
  }

  /** Notes what is wrong with an object of the source, unless nobody has it any more. */
  async #note(key: string, condition: Condition): Promise<void> {
    if (condition.kind === "whole") return;
    const owner = await findOwner(this.parts.db, key);
    const detail = "detail" in condition ? condition.detail : null;
    if (owner) this.#findings.push({ kind: condition.kind, key, ...owner, detail });
  }
}

/**
 * Copies every original, avatar and export to another storage; the first one is left as it is. Each is compared with the books on
 * its way, and read back, before it counts. What lies there already is read, and copied only where it differs: so this
 * can be cut off at any time and run again.
 * @throws StorageAwayError of either storage; what was copied by then stays
 */
export async function migrateObjects(parts: MigrateParts): Promise<MigrationReport> {
  await requireAnswers(parts.target);
  return whileItAnswers(parts.source, () => new Migration(parts).run());
}
