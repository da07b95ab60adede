import type { MediaType } from "../../images/media-type.ts";
import { Stopped, TooMuch, Unreadable } from "../../images/unreadable.ts";
import type { Log } from "../../log.ts";
import type { ObjectStorage } from "../../storage/storage.ts";
import { Decoder } from "./decoder.ts";
import { DecoderFiles } from "./decoder-files.ts";
import { readThumbnailKey, type Size, sizes } from "./thumbnail-keys.ts";
import { ThumbnailMaker, type ThumbnailOrder } from "./thumbnail-maker.ts";

/** Originals that are remembered as hopeless, so that not every request tries again. */
const mostHopeless = 1000;
/** Milliseconds for which the end of the server waits for a storage that takes what has just been made. */
const longestSettling = 5000;

export interface PreviewsParts {
  readonly storage: ObjectStorage;
  readonly log: Log;
  /** A folder on this machine's disk, for what is being decoded. */
  readonly folder: string;
  /** Media type of an original; null when nothing refers to it. */
  readonly typeOf: (originalKey: string) => Promise<MediaType | null>;
  /** Writes down why an original can never be shown, in plain words for its owner; null when it can be. */
  readonly noteProblem: (originalKey: string, reason: string | null) => Promise<void>;
}

/** The making of one original's thumbnails, whoever waits for which of them. */
interface Job {
  readonly sizes: ReadonlyMap<Size, PromiseWithResolvers<boolean>>;
  readonly ended: Promise<boolean>;
}

/** Thumbnails of 512 and 2048 pixels: made after an upload, or when one is asked for that is not there. */
export class Previews {
  readonly #decoder = new Decoder();
  readonly #maker: ThumbnailMaker;
  readonly #jobs = new Map<string, Job>();
  readonly #hopeless = new Set<string>();
  #stopping = new AbortController();

  constructor(private readonly parts: PreviewsParts) {
    const isWanted = async (key: string) => (await parts.typeOf(key)) !== null;
    this.#maker = new ThumbnailMaker({ ...parts, decoder: this.#decoder, isWanted });
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

  /**
   * Makes all thumbnails of an original, while nobody waits for one.
   * @returns false when there can be none
   * @throws the 503 of the storage
   */
  async prepare(original: string): Promise<boolean> {
    if (this.#hopeless.has(original)) return false;
    return (this.#jobs.get(original) ?? this.#start(original, 512, false)).ended;
  }

  /**
   * Makes a small upright JPEG of a picture, without storing it.
   * @param edge pixels of the longest edge
   * @returns null when it cannot be decoded, or is too large
   */
  async shrink(bytes: Uint8Array, edge: number): Promise<Uint8Array | null> {
    try {
      return (await this.#shrink(bytes, edge, 1)) ?? (await this.#shrink(bytes, edge, 2));
    } catch (error) {
      if (error instanceof Unreadable || error instanceof TooMuch) return null;
      throw error;
    }
  }

  /** Ends what is being made: it is made when somebody asks for it. */
  async settle(): Promise<void> {
    this.#stopping.abort(new Stopped());
    this.#stopping = new AbortController();
    const jobs = [...this.#jobs.values()].map(({ ended }) => ended);
    const all = Promise.allSettled([...jobs, this.#decoder[Symbol.asyncDispose]()]);
    await Promise.race([all, Bun.sleep(longestSettling)]);
  }

  /** @returns null when it takes more places */
  async #shrink(bytes: Uint8Array, edge: number, places: 1 | 2): Promise<Uint8Array | null> {
    const { signal } = this.#stopping;
    return await this.#decoder.run({ places, urgent: true, signal }, async (decode) => {
      await using files = await DecoderFiles.within(this.parts.folder);
      const source = await files.pathOf(new Blob([new Uint8Array(bytes)]), signal);
      const path = files.newPath();
      const ended = await decode({ source, targets: [{ edge, type: "image/jpeg", path }] }, async () => {});
      return ended === "large" ? null : await Bun.file(path).bytes();
    });
  }

  #start(original: string, first: Size, urgent: boolean): Job {
    const waiting = new Map(sizes.map((size) => [size, Promise.withResolvers<boolean>()] as const));
    const made = (size: Size) => waiting.get(size)?.resolve(true);
    const { signal } = this.#stopping;
    const ended = this.#make({ original, first, urgent, signal, made }).finally(() =>
      this.#jobs.delete(original),
    );
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
    const { typeOf, noteProblem } = this.parts;
    try {
      // A thumbnail of what is about to be deleted would outlive it.
      if ((await typeOf(order.original)) === null) return false;
      const isMade = await this.#maker.make(order);
      if (isMade) await noteProblem(order.original, null);
      return isMade;
    } catch (error) {
      return await this.#giveUp(order.original, error);
    }
  }

  /** @throws the error, unless it is the picture's fault */
  async #giveUp(original: string, error: unknown): Promise<false> {
    const isDamaged = error instanceof Unreadable;
    if (!isDamaged && !(error instanceof TooMuch)) throw error;
    // Written down first: whoever is told that there is no thumbnail finds the photo saying so.
    if (isDamaged) await this.parts.noteProblem(original, error.message);
    else this.parts.log.warn({ key: original }, `no thumbnails before the next start: ${error.message}`);
    if (this.#hopeless.size >= mostHopeless) this.#hopeless.clear();
    this.#hopeless.add(original);
    return false;
  }
}
