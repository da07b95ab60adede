import type { ObjectStorage } from "../../storage/storage.ts";
import type { Decode, Decoder, Turn } from "./decoder.ts";
import { DecoderFiles } from "./decoder-files.ts";
import type { Made } from "./decoder-messages.ts";
import { type Size, sizes, thumbnailKey } from "./thumbnail-keys.ts";

export interface ThumbnailOrder extends Omit<Turn, "places"> {
  readonly original: string;
  /** The size that somebody waits for comes first, where the order does not matter. */
  readonly first: Size;
  /** Told of each size when it is there. */
  readonly made: (size: Size) => void;
}

export interface ThumbnailMakerParts {
  readonly storage: ObjectStorage;
  readonly decoder: Decoder;
  /** A folder on this machine's disk, for what is being decoded. */
  readonly folder: string;
  /** Whether something refers to an original. */
  readonly isWanted: (originalKey: string) => Promise<boolean>;
}

/** Makes the thumbnails of one original at a time, or of as many as there are places for. */
export class ThumbnailMaker {
  constructor(private readonly parts: ThumbnailMakerParts) {}

  /**
   * Makes those thumbnails of an original that are not there.
   * @returns false when there is no original, or it is not wanted any more
   * @throws Unreadable, TooMuch, Stopped, or the 503 of the storage or the disk
   */
  async make(order: ThumbnailOrder): Promise<boolean> {
    for (const places of [1, 2] as const) {
      const result = await this.parts.decoder.run({ ...order, places }, (decode) =>
        this.#attempt(order, decode),
      );
      // What is large is opened again when there is room for it: so many files need not be kept meanwhile.
      if (result !== "large") return result === "done";
    }
    throw new Error("no picture takes more than two places");
  }

  async #attempt(order: ThumbnailOrder, decode: Decode): Promise<"done" | "gone" | "large"> {
    const missing = await this.#findMissing(order);
    if (missing.length === 0) return "done";
    const object = await this.parts.storage.get(order.original);
    if (object === null) return "gone";
    await using files = await DecoderFiles.within(this.parts.folder);
    const source = await files.pathOf(object.body, order.signal);
    const targets = missing.map((edge) => ({ edge, type: null, path: files.newPath() }));
    const outdated: Size[] = [];
    const ended = await decode({ source, targets }, async (one) => {
      const size = targets.find(({ path }) => path === one.made)?.edge as Size;
      if (await this.#store(order.original, size, one)) order.made(size);
      else outdated.push(size);
    });
    return outdated.length > 0 ? "gone" : ended;
  }

  async #findMissing({ original, first, made }: ThumbnailOrder): Promise<Size[]> {
    const missing: Size[] = [];
    for (const size of sizes.toSorted((a) => (a === first ? -1 : 1))) {
      if ((await this.parts.storage.stat(thumbnailKey(original, size))) === null) missing.push(size);
      else made(size);
    }
    return missing;
  }

  /** @returns false when the original went meanwhile: whoever deleted it could not know of this thumbnail */
  async #store(original: string, size: Size, { made, type }: Made): Promise<boolean> {
    const { storage, isWanted } = this.parts;
    const key = thumbnailKey(original, size);
    await storage.putFile(key, made, { mediaType: type });
    if (await isWanted(original)) return true;
    await storage.delete(key);
    return false;
  }
}
