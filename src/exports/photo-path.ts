import { createHash } from "node:crypto";
import { extensionOf, type MediaType } from "../images/media-type.ts";

/** Longest part of an id in a file's name, in characters: Windows takes 260 for the whole path. */
const longest = 60;

/**
 * An id as part of a file's name, on any system: colons mean something on Windows, and to it and to macOS `A` is `a`. An id
 * that cannot stay as it is gets a mark of its own, behind a sign that no id has: so no two are the same.
 */
function inFileName(id: string): string {
  if (/^[a-z0-9._-]+$/.test(id) && id.length <= longest) return id;
  const mark = createHash("sha256").update(id).digest("hex").slice(0, 12);
  return `${id.toLowerCase().replaceAll(":", "_").slice(0, longest)}~${mark}`;
}

/** Where a photo's picture lies in an archive: `photos/2025-11-17_10-00-00_photo_x.jpg`, by its time in UTC. */
export function photoPath(id: string, timestamp: string, mediaType: MediaType): string {
  const time = timestamp.slice(0, 19).replace("T", "_").replaceAll(":", "-");
  return `photos/${time}_${inFileName(id)}.${extensionOf(mediaType)}`;
}
