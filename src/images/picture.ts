import { describeHeif, type HeifDescription } from "./heif-description.ts";
import { isDecodedInStripes } from "./jpeg-scans.ts";
import { type MediaType, sniffedBytes, sniffMediaType } from "./media-type.ts";
import { readFacts } from "./picture-facts.ts";
import { Unreadable } from "./unreadable.ts";

/** Pictures with more pixels are not decoded: as a HEIC, one of so many takes 1.5 GB of memory. */
export const maxPixels = 120_000_000;
/** Pixels beyond which a picture that is decoded as a whole counts as two. */
const largePixels = 40_000_000;

/** A picture that can be decoded, as far as can be told without doing so. */
export interface Picture {
  readonly path: string;
  readonly mediaType: MediaType;
  /** Pixels, upright. */
  readonly width: number;
  readonly height: number;
  /** As in EXIF, 1 to 8. */
  readonly orientation: number;
  /** What the boxes of a HEIC, HEIF or AVIF say; null for others. */
  readonly heif: HeifDescription | null;
  /** All its pixels are in memory at once, whatever size is asked for; not so with JPEGs as cameras write them. */
  readonly isDecodedWhole: boolean;
}

/**
 * Looks at a file without decoding it.
 * @throws Unreadable
 */
export async function inspectPicture(path: string): Promise<Picture> {
  const file = Bun.file(path);
  const mediaType = sniffMediaType(new Uint8Array(await file.slice(0, sniffedBytes).arrayBuffer()));
  if (mediaType === null) throw new Unreadable("The file is no picture of a kind that is taken");
  const { width = 0, height = 0, orientation = 1 } = await readFacts(file, mediaType);
  if (width * height === 0) throw new Unreadable("The file is damaged");
  if (width * height > maxPixels) {
    throw new Unreadable(`It has more than ${maxPixels / 1_000_000} megapixels`);
  }
  const heif = /hei[cf]|avif/.test(mediaType) ? await describeHeif(file) : null;
  const isDecodedWhole = mediaType !== "image/jpeg" || !(await isDecodedInStripes(file));
  return { path, mediaType, width, height, orientation, heif, isDecodedWhole };
}

/** How many places of those for decoding a picture takes. */
export function placesOf({ width, height, isDecodedWhole }: Picture): 1 | 2 {
  return isDecodedWhole && width * height > largePixels ? 2 : 1;
}
