import { describeHeif } from "./heif-description.ts";
import type { MediaType } from "./media-type.ts";

/** Most bytes of an EXIF block that are looked at: four times what fits into a JPEG. */
const largestBlock = 256 * 1024;
/** A JPEG's EXIF lies within this many bytes from its start. */
const jpegPrefix = 1024 * 1024;
/** Chunks of a PNG or WebP that are stepped over; their EXIF may be the last. */
const mostChunks = 10_000;

const marker = "Exif\0\0";
const latin = (bytes: Uint8Array) => String.fromCharCode(...bytes);

async function bytesOf(file: Blob, start: number, length: number): Promise<Uint8Array> {
  return new Uint8Array(await file.slice(start, start + length).arrayBuffer());
}

/** JPEG's marker before the block; some software writes it in other formats as well. */
function withoutMarker(block: Uint8Array): Uint8Array {
  return latin(block.subarray(0, 6)) === marker ? block.subarray(6) : block;
}

async function inJpeg(file: Blob): Promise<Uint8Array | null> {
  const bytes = await bytesOf(file, 0, jpegPrefix);
  const view = new DataView(bytes.buffer);
  for (let at = 2; at + 4 <= bytes.byteLength; ) {
    const kind = view.getUint8(at + 1);
    // Stray bytes between segments, and fill bytes before a marker, are stepped over.
    if (view.getUint8(at) !== 0xff || kind === 0xff || kind === 0) at++;
    else if (kind === 0x01 || (kind >= 0xd0 && kind <= 0xd8)) at += 2;
    else if (kind === 0xda || kind === 0xd9) return null;
    else {
      const end = at + 2 + view.getUint16(at + 2);
      if (kind === 0xe1 && latin(bytes.subarray(at + 4, at + 10)) === marker)
        return bytes.slice(at + 10, end);
      at = end;
    }
  }
  return null;
}

interface Chunks {
  /** Where the first chunk starts. */
  readonly start: number;
  readonly type: string;
  /** Reads a chunk's header: its type, where its content starts, and how long that is. */
  readonly read: (header: DataView) => { type: string; content: number; length: number; whole: number };
}

const typeAt = (view: DataView, at: number) => latin(new Uint8Array(view.buffer, at, 4));

const pngChunks: Chunks = {
  start: 8,
  type: "eXIf",
  read: (header) => {
    const length = header.getUint32(0);
    return { type: typeAt(header, 4), content: 8, length, whole: length + 12 };
  },
};

const webpChunks: Chunks = {
  start: 12,
  type: "EXIF",
  read: (header) => {
    const length = header.getUint32(4, true);
    return { type: typeAt(header, 0), content: 8, length, whole: length + (length % 2) + 8 };
  },
};

async function inChunks(file: Blob, chunks: Chunks): Promise<Uint8Array | null> {
  let at = chunks.start;
  for (let count = 0; count < mostChunks && at + 8 <= file.size; count++) {
    const chunk = chunks.read(new DataView(await file.slice(at, at + 8).arrayBuffer()));
    if (chunk.type === chunks.type) {
      return withoutMarker(await bytesOf(file, at + chunk.content, Math.min(chunk.length, largestBlock)));
    }
    at += chunk.whole;
  }
  return null;
}

/** The item starts with how many bytes there are between this number and the TIFF header. */
async function inHeif(file: Blob): Promise<Uint8Array | null> {
  const place = (await describeHeif(file))?.exif;
  if (!place || place.length < 4) return null;
  const item = await bytesOf(file, place.start, Math.min(place.length, largestBlock));
  if (item.byteLength < 4) return null;
  return item.slice(4 + new DataView(item.buffer).getUint32(0));
}

/**
 * The EXIF block of a picture, from its TIFF header on. Only that part of the file is read, and at most 256 KB of
 * it, so that neither large files nor made-up sizes cost memory.
 * @returns null when there is none
 */
export async function readExifBlock(file: Blob, mediaType: MediaType): Promise<Uint8Array | null> {
  if (mediaType === "image/jpeg") return await inJpeg(file);
  if (mediaType === "image/png") return await inChunks(file, pngChunks);
  if (mediaType === "image/webp") return await inChunks(file, webpChunks);
  return mediaType === "image/gif" ? null : await inHeif(file);
}
