/** Media types of pictures that are taken. */
export const mediaTypes = [
  "image/jpeg",
  "image/png",
  "image/webp",
  "image/heic",
  "image/heif",
  "image/avif",
  "image/gif",
] as const;
export type MediaType = (typeof mediaTypes)[number];

/** Media types of thumbnails: what every browser and phone shows. */
export type PreviewType = "image/jpeg" | "image/webp";

/** Bytes from a file's start that tell its media type: an `ftyp` box with a dozen compatible brands. */
export const sniffedBytes = 64;

const extensions: Record<MediaType, string> = {
  "image/jpeg": "jpg",
  "image/png": "png",
  "image/webp": "webp",
  "image/gif": "gif",
  "image/heic": "heic",
  "image/heif": "heif",
  "image/avif": "avif",
};

const avifBrands = new Set(["avif", "avis"]);
/** HEVC in HEIF: ISO/IEC 23008-12, annex B. */
const heicBrands = new Set(["heic", "heix", "heim", "heis", "hevc", "hevx", "hevm", "hevs"]);
/** HEIF whatever the codec. */
const heifBrands = new Set(["mif1", "mif2", "msf1", "heif", "miaf"]);

const text = (bytes: Uint8Array, start: number, end: number) =>
  String.fromCharCode(...bytes.subarray(start, end));

/** Major brand first, then the compatible ones, as far as they are in sight. */
function brandsOf(head: Uint8Array): string[] {
  const size = new DataView(head.buffer, head.byteOffset).getUint32(0);
  const brands = [text(head, 8, 12)];
  for (let at = 16; at + 4 <= Math.min(size, head.byteLength); at += 4) brands.push(text(head, at, at + 4));
  return brands;
}

/** The major brand decides; where it names no codec, the compatible ones do. */
function typeOfBrands(brands: string[]): MediaType | null {
  const [major = ""] = brands;
  if (avifBrands.has(major)) return "image/avif";
  if (heicBrands.has(major)) return "image/heic";
  if (!heifBrands.has(major)) return null;
  if (brands.some((brand) => avifBrands.has(brand))) return "image/avif";
  return brands.some((brand) => heicBrands.has(brand)) ? "image/heic" : "image/heif";
}

/**
 * What a file is, by its bytes: names and headers are anything a client likes.
 * @param head its first `sniffedBytes` bytes, or all of a smaller file
 * @returns null when it is no picture that is taken
 */
export function sniffMediaType(head: Uint8Array): MediaType | null {
  const bytes = head.subarray(0, sniffedBytes);
  if (text(bytes, 0, 3) === "\xff\xd8\xff") return "image/jpeg";
  if (text(bytes, 0, 8) === "\x89PNG\r\n\x1a\n") return "image/png";
  if (/^GIF8[79]a/.test(text(bytes, 0, 6))) return "image/gif";
  if (text(bytes, 0, 4) === "RIFF" && text(bytes, 8, 12) === "WEBP") return "image/webp";
  return text(bytes, 4, 8) === "ftyp" && bytes.byteLength >= 12 ? typeOfBrands(brandsOf(bytes)) : null;
}

/** The usual file name extension, without a dot. */
export const extensionOf = (mediaType: MediaType): string => extensions[mediaType];

/** The media type of a picture's thumbnails: WebP where it may be transparent. */
export function previewTypeOf(mediaType: MediaType): PreviewType {
  const mayBeTransparent = ["image/png", "image/webp", "image/gif"].includes(mediaType);
  return mayBeTransparent ? "image/webp" : "image/jpeg";
}
