import type { Database } from "../database/client.ts";
import { forEachAtOnce } from "./at-once.ts";
import {
  type BookedExport,
  type BookedOriginal,
  type BookTotals,
  findOwner,
  findUnknown,
  listAvatars,
  listExports,
  listOriginals,
  readTotals,
} from "./books.ts";
import { inspect, whileItAnswers } from "./inspection.ts";
import { areaOf, areas, isKey } from "./object-key.ts";
import type { ObjectInfo, ObjectStorage } from "./storage.ts";

/** Something about which books and storage differ. */
export interface Finding {
  /**
   * `missing`: in the books, not in the storage. `altered`: other bytes than were stored. `unreadable`: it is there, but
   * cannot be read. `orphaned`: in the storage, and nowhere in the books.
   */
  readonly kind: "missing" | "altered" | "unreadable" | "orphaned";
  readonly key: string;
  /** Of the account that it belongs to; null for what is orphaned. */
  readonly email: string | null;
  /** Photos that show it. */
  readonly photoIds: readonly string[];
  /** In plain words, where there is more to say. */
  readonly detail: string | null;
}

export interface CheckReport {
  /** Objects seen in the storage. */
  readonly seen: number;
  /** Originals looked at, and bytes that they and the exports should have. */
  readonly originals: number;
  readonly bytes: number;
  readonly avatars: number;
  readonly exports: number;
  /** Objects in no book that are too young to be called orphaned. */
  readonly young: number;
  readonly findings: readonly Finding[];
  /** An object of the books that was there: while it is, the storage is the one that was checked. */
  readonly witness: string | null;
}

/** Who wants to know how far work has come. */
export interface Progress {
  begin(totals: BookTotals): void;
  /** An object is done. @param bytes its own */
  advance(bytes: number): void;
}

export interface CheckParts {
  readonly db: Database;
  readonly storage: ObjectStorage;
  readonly progress?: Progress;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/** Age in milliseconds below which an object in no book is left alone. */
const youth = 60 * 60 * 1000;
/** Objects that are looked up in the books at once. */
const batchSize = 500;
/** Originals that are read at once. */
const atOnce = 4;

/** Compares the books with the storage, in both directions, while the server may go on working. */
class Check {
  readonly #findings: Finding[] = [];
  #seen = 0;
  #young = 0;
  #originals = 0;
  #bytes = 0;
  #avatars = 0;
  #exports = 0;
  #witness: string | null = null;

  constructor(private readonly parts: CheckParts) {}

  async run(): Promise<CheckReport> {
    const { db, progress } = this.parts;
    progress?.begin(await readTotals(db));
    for (const area of areas) await this.#lookThrough(area);
    await forEachAtOnce(listOriginals(db), atOnce, (original) => this.#lookAt(original));
    await forEachAtOnce(listAvatars(db), atOnce, (key) => this.#lookAtAvatar(key));
    await forEachAtOnce(listExports(db), atOnce, (one) => this.#lookAtExport(one));
    return {
      seen: this.#seen,
      originals: this.#originals,
      bytes: this.#bytes,
      avatars: this.#avatars,
      exports: this.#exports,
      young: this.#young,
      findings: this.#findings.sort((a, b) => (`${a.kind} ${a.key}` < `${b.kind} ${b.key}` ? -1 : 1)),
      witness: this.#witness,
    };
  }

  async #lookThrough(area: string): Promise<void> {
    let batch: ObjectInfo[] = [];
    for await (const info of this.parts.storage.list(`${area}/`)) {
      // Whatever else lies in a bucket that is shared is none of ours.
      if (!isKey(info.key)) continue;
      batch.push(info);
      if (batch.length < batchSize) continue;
      await this.#lookUp(batch);
      batch = [];
    }
    await this.#lookUp(batch);
  }

  /**
   * Keys are in the books before their bytes are in the storage, and are never used again: one that is in no book after
   * its object was seen will not come into one. The object may just have gone, though, and the book's line with it.
   */
  async #lookUp(batch: readonly ObjectInfo[]): Promise<void> {
    this.#seen += batch.length;
    const { db, storage, now = Date.now } = this.parts;
    const keys = batch.map(({ key }) => key);
    const unknown = new Set(await findUnknown(db, keys));
    for (const { key, modifiedAt } of batch) {
      if (!unknown.has(key)) continue;
      if (now() - modifiedAt.getTime() < youth) this.#young++;
      else if (await storage.stat(key))
        this.#findings.push({ kind: "orphaned", key, email: null, photoIds: [], detail: null });
    }
  }

  async #lookAt(original: BookedOriginal): Promise<void> {
    this.#originals++;
    await this.#inspect(original);
  }

  async #lookAtExport(one: BookedExport): Promise<void> {
    this.#exports++;
    await this.#inspect(one);
  }

  async #inspect(booked: BookedExport): Promise<void> {
    const { storage, progress } = this.parts;
    const { key, size } = booked;
    const condition = await inspect(storage, key, booked);
    this.#bytes += size;
    if (condition.kind === "whole") this.#witness ??= key;
    else await this.#find(condition.kind, key, "detail" in condition ? condition.detail : null);
    progress?.advance(size);
  }

  async #lookAtAvatar(key: string): Promise<void> {
    const { storage, progress } = this.parts;
    this.#avatars++;
    if ((await storage.stat(key)) === null) await this.#find("missing", key, null);
    else this.#witness ??= key;
    progress?.advance(0);
  }

  /** Notes what is wrong with an object, unless it is in the books no more: its row goes before its bytes do. */
  async #find(kind: Finding["kind"], key: string, detail: string | null): Promise<void> {
    const owner = await findOwner(this.parts.db, key);
    if (owner) this.#findings.push({ kind, key, ...owner, detail });
  }
}

/**
 * Looks for what is missing, altered or orphaned. Every original and every export is read to its end; nothing is changed.
 * @throws StorageAwayError
 */
export function checkStorage(parts: CheckParts): Promise<CheckReport> {
  return whileItAnswers(parts.storage, () => new Check(parts).run());
}

/**
 * Whether books and storage have not one picture in common, though one of them has some: they hardly belong together.
 */
export function areStrangers({ witness, findings }: CheckReport): boolean {
  const pictures = findings.filter(({ key }) => ["originals", "avatars"].includes(areaOf(key)));
  const isCommon = ({ kind }: Finding) => kind === "altered" || kind === "unreadable";
  return witness === null && pictures.length > 0 && !pictures.some(isCommon);
}
