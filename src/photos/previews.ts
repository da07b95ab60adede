import type { Log } from "../log.ts";
import type { ObjectStorage } from "../storage/storage.ts";
import type { MediaType } from "./media-type.ts";
import { inspectPicture, placesOf } from "./picture.ts";
import { Slots } from "./slots.ts";
import { makeReadable, shrink } from "./thumbnail.ts";
import { readThumbnailKey, type Size, sizes, thumbnailKey } from "./thumbnail-keys.ts";
import { ThumbnailMaker, type ThumbnailOrder } from "./thumbnail-maker.ts";
import { Unreadable } from "./unreadable.ts";

/** Pictures decoded at once, in the whole process. Measured: a HEIC takes 13 bytes of memory a pixel meanwhile. */
const atOnce = 2;
/** Originals that wait for their thumbnails; beyond, these are made when somebody asks for them. */
const longestQueue = 1000;
/** Originals that are remembered as hopeless, so that not every request tries again. */
const mostHopeless = 1000;

export interface PreviewsParts {
  readonly storage: ObjectStorage;
  readonly log: Log;
  /** Media type of an original; null when nothing refers to it. */
  readonly typeOf: (originalKey: string) => Promise<MediaType | null>;
  /** Writes down why an original can never be shown, in plain words for its owner. */
  readonly noteProblem: (originalKey: string, reason: string) => Promise<void>;
}

/** The making of one original's thumbnails, whoever waits for which of them. */
interface Job {
  readonly sizes: ReadonlyMap<Size, PromiseWithResolvers<boolean>>;
  readonly ended: Promise<unknown>;
}

/** Thumbnails of 512 and 2048 pixels: made after an upload, or when one is asked for that is not there. */
export class Previews {
  readonly #slots = new Slots(atOnce);
  readonly #maker: ThumbnailMaker;
  readonly #jobs = new Map<string, Job>();
  readonly #queue = new Set<string>();
  readonly #preparing = new Set<Promise<void>>();
  readonly #hopeless = new Set<string>();

  constructor(private readonly parts: PreviewsParts) {
    this.#maker = new ThumbnailMaker(parts.storage, this.#slots);
  }

  /** The keys under which an original's thumbnails lie, or will. */
  keysOf(originalKey: string): string[] {
    return sizes.map((size) => thumbnailKey(originalKey, size));
  }

  /**
   * Makes a thumbnail, unless it is there.
   * @returns false when there can be none: its original is gone, damaged or too large
   * @throws the 503 of the storage
   */
  async ensure(key: string): Promise<boolean> {
    const asked = readThumbnailKey(key);
    if (asked === null) return false;
    if ((await this.parts.storage.stat(key)) !== null) return true;
    if (this.#hopeless.has(asked.original)) return false;
    const job = this.#jobs.get(asked.original) ?? this.#start(asked.original, asked.size, true);
    return (await job.sizes.get(asked.size)?.promise) ?? false;
  }

  /** Makes an original's thumbnails soon, in the background. */
  prepare(originalKey: string): void {
    if (this.#queue.size >= longestQueue) return;
    this.#queue.add(originalKey);
    if (this.#preparing.size >= atOnce) return;
    const preparing = this.#prepareQueued().finally(() => this.#preparing.delete(preparing));
    this.#preparing.add(preparing);
  }

  /**
   * Makes a small upright JPEG of a picture, without storing it.
   * @param edge pixels of the longest edge
   * @returns null when it cannot be decoded, or is too large
   */
  async shrink(bytes: Uint8Array, _mediaType: MediaType, edge: number): Promise<Uint8Array | null> {
    try {
      const picture = await inspectPicture(new Blob([new Uint8Array(bytes)]));
      return await this.#slots.run(placesOf(picture), true, async (hold) =>
        shrink(await makeReadable(picture, hold), edge, "image/jpeg"),
      );
    } catch (error) {
      if (error instanceof Unreadable) return null;
      throw error;
    }
  }

  /** Waits for what is being made, and forgets what is queued. */
  async settle(): Promise<void> {
    this.#queue.clear();
    const jobs = [...this.#jobs.values()].map(({ ended }) => ended);
    await Promise.allSettled([...jobs, ...this.#preparing]);
  }

  async #prepareQueued(): Promise<void> {
    for (const original of this.#queue) {
      this.#queue.delete(original);
      try {
        await (this.#jobs.get(original) ?? this.#start(original, 512, false)).ended;
      } catch (error) {
        this.parts.log.warn(
          { err: error, key: original },
          "thumbnails could not be made; they are when asked for",
        );
      }
    }
  }

  #start(original: string, first: Size, urgent: boolean): Job {
    const waiting = new Map(sizes.map((size) => [size, Promise.withResolvers<boolean>()] as const));
    const made = (size: Size) => waiting.get(size)?.resolve(true);
    const ended = this.#make({ original, first, urgent, made }).finally(() => this.#jobs.delete(original));
    for (const { promise, resolve, reject } of waiting.values()) {
      ended.then(resolve, reject);
      // Often nobody waits for one of the sizes.
      promise.catch(() => {});
    }
    const job = { sizes: waiting, ended };
    this.#jobs.set(original, job);
    return job;
  }

  async #make(order: ThumbnailOrder): Promise<boolean> {
    try {
      // A thumbnail of what is about to be deleted would outlive it.
      if ((await this.parts.typeOf(order.original)) === null) return false;
      return await this.#maker.make(order);
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error;
      if (this.#hopeless.size >= mostHopeless) this.#hopeless.clear();
      this.#hopeless.add(order.original);
      await this.parts.noteProblem(order.original, error.message);
      return false;
    }
  }
}
