import { derivedKey } from "../../storage/object-key.ts";

/** Longest edges in pixels: for lists, and for a whole screen. */
export const sizes = [512, 2048] as const;
export type Size = (typeof sizes)[number];

/** The key of an original's thumbnail. */
export const thumbnailKey = (originalKey: string, size: Size) =>
  derivedKey("thumbnails", originalKey, String(size));

/** The original that a thumbnail is made of, and its size; null for a key that is no thumbnail's. */
export function readThumbnailKey(key: string): { original: string; size: Size } | null {
  const match = /^thumbnails\/([0-9a-f]{32})-(512|2048)$/.exec(key);
  return match && { original: `originals/${match[1]}`, size: Number(match[2]) as Size };
}
