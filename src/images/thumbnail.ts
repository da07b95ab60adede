import { withColourProfile } from "./colour-profile.ts";
import { decodeHeif } from "./heif-decoder.ts";
import type { PreviewType } from "./media-type.ts";
import { maxPixels, type Picture } from "./picture.ts";
import { Unreadable } from "./unreadable.ts";
import { firstFrameOfWebp } from "./webp-still.ts";

/** Of 100, for JPEG and WebP: artefacts are not seen at arm's length. */
const quality = 80;

/** Something that Bun.Image reads, a file or its bytes, and what is left to do to it. */
export interface Readable {
  readonly source: string | Uint8Array<ArrayBuffer>;
  /** As in EXIF, 1 to 8. A JPEG is turned by Bun.Image itself. */
  readonly orientation: number;
  /** An ICC profile that the source lost. */
  readonly colourProfile: Uint8Array | null;
}

/** Turns stored pixels upright, by orientation. Bun.Image rotates first, whatever the order of calls. */
const turns: Record<number, (image: Bun.Image) => Bun.Image> = {
  2: (image) => image.flop(),
  3: (image) => image.rotate(180),
  4: (image) => image.flip(),
  5: (image) => image.rotate(90).flop(),
  6: (image) => image.rotate(90),
  7: (image) => image.rotate(270).flop(),
  8: (image) => image.rotate(270),
};

/**
 * Makes a picture readable for Bun.Image, decoding it if that cannot.
 * @throws Unreadable
 */
export async function makeReadable(picture: Picture): Promise<Readable> {
  const { path, mediaType, orientation, heif } = picture;
  if (heif) {
    const source = await decodeHeif(await Bun.file(path).bytes(), mediaType, maxPixels);
    const left = mediaType === "image/avif" ? orientation : 1;
    return { source, orientation: left, colourProfile: heif.colourProfile };
  }
  const source = mediaType === "image/webp" ? await firstFrameOfWebp(Bun.file(path)) : null;
  const left = mediaType === "image/jpeg" ? 1 : orientation;
  return { source: source ?? path, orientation: left, colourProfile: null };
}

async function encode(image: Bun.Image, type: PreviewType): Promise<Uint8Array> {
  try {
    return await (type === "image/jpeg" ? image.jpeg({ quality }) : image.webp({ quality })).bytes();
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (!String(code).startsWith("ERR_IMAGE_")) throw error;
    throw new Unreadable("The file is damaged, or of a kind that cannot be decoded", { cause: error });
  }
}

/**
 * Makes a thumbnail: upright, never larger than the picture, and without metadata but for its colour profile.
 * @param edge pixels of the longest edge
 * @throws Unreadable
 */
export async function shrink(readable: Readable, edge: number, type: PreviewType): Promise<Uint8Array> {
  const { source, orientation, colourProfile } = readable;
  const image = new Bun.Image(source, { maxPixels });
  const upright = turns[orientation]?.(image) ?? image;
  const small = upright.resize(edge, edge, { fit: "inside", withoutEnlargement: true });
  const bytes = await encode(small, type);
  return colourProfile && type === "image/jpeg" ? withColourProfile(bytes, colourProfile) : bytes;
}
