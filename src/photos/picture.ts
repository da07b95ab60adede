import { describeHeif, type HeifDescription } from "./heif-description.ts";
import { type MediaType, sniffedBytes, sniffMediaType } from "./media-type.ts";
import { readFacts } from "./picture-facts.ts";
import { Unreadable } from "./unreadable.ts";

/** Pictures with more pixels are not decoded: as a HEIC, one of so many takes 1.5 GB of memory. */
export const maxPixels = 120_000_000;
/** Pixels beyond which a picture counts as two, unless it is a JPEG, which is never decoded at its full size. */
const largePixels = 40_000_000;

/** A picture that can be decoded, as far as can be told without doing so. */
export interface Picture {
  readonly file: Blob;
  readonly mediaType: MediaType;
  /** Pixels, upright. */
  readonly width: number;
  readonly height: number;
  /** As in EXIF, 1 to 8. */
  readonly orientation: number;
  /** What the boxes of a HEIC, HEIF or AVIF say; null for others. */
  readonly heif: HeifDescription | null;
}

/**
 * Looks at a file without decoding it.
 * @throws Unreadable
 */
export async function inspectPicture(file: Blob): Promise<Picture> {
  const mediaType = sniffMediaType(new Uint8Array(await file.slice(0, sniffedBytes).arrayBuffer()));
  if (mediaType === null) throw new Unreadable("The file is no picture of a kind that is taken");
  const { width = 0, height = 0, orientation = 1 } = await readFacts(file, mediaType);
  if (width * height === 0) throw new Unreadable("The file is damaged");
  if (width * height > maxPixels) {
    throw new Unreadable(`It has more than ${maxPixels / 1_000_000} megapixels`);
  }
  const heif = /hei[cf]|avif/.test(mediaType) ? await describeHeif(file) : null;
  return { file, mediaType, width, height, orientation, heif };
}

/** How many places of those for decoding a picture takes. */
export function placesOf({ mediaType, width, height }: Picture): 1 | 2 {
  return width * height > largePixels && mediaType !== "image/jpeg" ? 2 : 1;
}
