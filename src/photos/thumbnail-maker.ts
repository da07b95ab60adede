import type { ObjectStorage } from "../storage/storage.ts";
import { previewTypeOf } from "./media-type.ts";
import { inspectPicture, type Picture, placesOf } from "./picture.ts";
import type { Hold, Slots } from "./slots.ts";
import { makeReadable, type Readable, shrink } from "./thumbnail.ts";
import { type Size, thumbnailKey } from "./thumbnail-keys.ts";

export interface ThumbnailOrder {
  readonly original: string;
  /** The size that somebody waits for comes first, where the order does not matter. */
  readonly first: Size;
  readonly urgent: boolean;
  /** Told of each size when it is there. */
  readonly made: (size: Size) => void;
}

/** The original has to be opened again, when there are more places for it. */
const needsMorePlaces = Symbol();

/** A file is passed on as it is; what comes from elsewhere is read into memory. */
async function openOriginal(storage: ObjectStorage, key: string): Promise<Blob | null> {
  const body = (await storage.get(key))?.body;
  return body instanceof ReadableStream ? await new Response(body).blob() : (body ?? null);
}

/**
 * JPEGs are decoded at about the size that is asked for, which is quick. Others are decoded as a whole, and only
 * once: the smaller thumbnail is made of the larger one.
 */
function sizesInOrder({ mediaType }: Picture, first: Size): Size[] {
  return mediaType !== "image/jpeg" || first === 2048 ? [2048, 512] : [512, 2048];
}

/** Makes the thumbnails of one original at a time, or of as many as there are places for. */
export class ThumbnailMaker {
  constructor(
    readonly storage: ObjectStorage,
    readonly slots: Slots,
  ) {}

  /**
   * Makes those thumbnails of an original that are not there.
   * @returns false when there is no original
   * @throws Unreadable, or the 503 of the storage
   */
  async make(order: ThumbnailOrder): Promise<boolean> {
    for (const places of [1, 2]) {
      const result = await this.slots.run(places, order.urgent, (hold) => this.#attempt(order, places, hold));
      if (result !== needsMorePlaces) return result;
    }
    throw new Error("no picture takes more than two places");
  }

  async #attempt(
    order: ThumbnailOrder,
    places: number,
    hold: Hold,
  ): Promise<boolean | typeof needsMorePlaces> {
    const file = await openOriginal(this.storage, order.original);
    if (file === null) return false;
    const picture = await inspectPicture(file);
    if (placesOf(picture) > places) return needsMorePlaces;
    await this.#makeMissing(order, picture, hold);
    return true;
  }

  async #makeMissing({ original, first, made }: ThumbnailOrder, picture: Picture, hold: Hold): Promise<void> {
    let readable: Readable | null = null;
    for (const size of sizesInOrder(picture, first)) {
      const key = thumbnailKey(original, size);
      if ((await this.storage.stat(key)) === null) {
        readable ??= await makeReadable(picture, hold);
        const bytes = await this.#store(key, picture, readable, size);
        const isSmaller = Math.max(picture.width, picture.height) > size;
        if (isSmaller && picture.mediaType !== "image/jpeg") readable = asReadable(bytes);
      }
      made(size);
    }
  }

  async #store(key: string, picture: Picture, readable: Readable, size: Size): Promise<Uint8Array> {
    const mediaType = previewTypeOf(picture.mediaType);
    const bytes = await shrink(readable, size, mediaType);
    await this.storage.put(key, new Blob([new Uint8Array(bytes)]).stream(), { mediaType });
    return bytes;
  }
}

/** A thumbnail is upright and has its colour profile. */
function asReadable(thumbnail: Uint8Array): Readable {
  return { source: new Uint8Array(thumbnail), orientation: 1, colourProfile: null };
}
