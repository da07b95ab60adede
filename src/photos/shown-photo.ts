import type { MediaType } from "../images/media-type.ts";
import type { PictureFacts } from "../images/picture-facts.ts";
import type { Content } from "../sync/entity.ts";
import type { PictureLinks } from "./picture-links.ts";

/** The bytes behind a photo, as `journal/photo.ts` reads them beside what phones said. */
interface PhotoFile {
  readonly key: string;
  readonly mediaType: MediaType;
  readonly size: number;
  readonly sha256: string;
  readonly problem: string | null;
  readonly facts: PictureFacts;
  /** What was said of a photo together with its bytes, when it was there already. */
  readonly said: Partial<Record<"location" | "caption" | "exifData", unknown>> | null;
}

/** The first value that is there. */
const first = (...values: unknown[]) => values.find((value) => value !== null && value !== undefined) ?? null;

const cameraKeys = [
  "cameraModel",
  "focalLength",
  "aperture",
  "iso",
  "shutterSpeed",
  "cameraMake",
  "lensModel",
];

/** What is said of the camera, the first that say anything first; null when nobody does. */
function exifOf(...sources: unknown[]): Content | null {
  const said = (key: string) => first(...sources.map((source) => (source as Content | null)?.[key]));
  const shown = Object.fromEntries(cameraKeys.map((key) => [key, said(key)]));
  return Object.values(shown).every((value) => value === null) ? null : shown;
}

/**
 * A photo as answers show it: with fresh links to its bytes; where the phones said nothing, with what was said when
 * these came, and else with what they say of themselves. Without bytes its links are null.
 */
export function presentPhoto(links: PictureLinks, { file, ...photo }: Content): Content {
  if (!file) return photo;
  const { key, mediaType, size, sha256, problem, facts, said } = file as PhotoFile;
  const linked = { key, mediaType, name: String(photo.id) };
  return {
    ...photo,
    location: first(photo.location, said?.location, facts.location),
    caption: first(photo.caption, said?.caption),
    url: links.original(linked),
    thumbnailUrl: problem === null ? links.thumbnail(linked, 512) : null,
    exifData: exifOf(photo.exifData, said?.exifData, facts),
    previewUrl: problem === null ? links.thumbnail(linked, 2048) : null,
    previewProblem: problem,
    mimeType: mediaType,
    sizeBytes: size,
    sha256,
    width: first(null, facts.width),
    height: first(null, facts.height),
    capturedAt: first(null, facts.capturedAt),
    capturedAtOffset: first(null, facts.capturedAtOffset),
  };
}
