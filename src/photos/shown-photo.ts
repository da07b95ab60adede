import type { Content } from "../sync/entity.ts";
import type { MediaType } from "./media-type.ts";
import type { PictureFacts } from "./picture-facts.ts";
import type { PictureLinks } from "./picture-links.ts";

/** The bytes behind a photo, as `journal/photo.ts` reads them beside what phones said. */
interface PhotoFile {
  readonly key: string;
  readonly mediaType: MediaType;
  readonly size: number;
  readonly sha256: string;
  readonly problem: string | null;
  readonly facts: PictureFacts;
}

/** The first value that is there. */
const first = (said: unknown, known: unknown) => said ?? known ?? null;

/** What phones said of the camera, filled up by what the bytes say; null when nobody says anything. */
function exifOf(said: Content | null, facts: PictureFacts): Content | null {
  const { cameraMake, cameraModel, lensModel, focalLength, aperture, iso, shutterSpeed } = facts;
  const shown = {
    cameraModel: first(said?.cameraModel, cameraModel),
    focalLength: first(said?.focalLength, focalLength),
    aperture: first(said?.aperture, aperture),
    iso: first(said?.iso, iso),
    shutterSpeed: first(said?.shutterSpeed, shutterSpeed),
    cameraMake: first(null, cameraMake),
    lensModel: first(null, lensModel),
  };
  return Object.values(shown).every((value) => value === null) ? null : shown;
}

/**
 * A photo as answers show it: with fresh links to its bytes, and what those say of themselves where the phones said
 * nothing. Without bytes its links are null.
 */
export function presentPhoto(links: PictureLinks, { file, ...photo }: Content): Content {
  if (!file) return photo;
  const { key, mediaType, size, sha256, problem, facts } = file as PhotoFile;
  const linked = { key, mediaType, name: String(photo.id) };
  return {
    ...photo,
    location: first(photo.location, facts.location),
    url: links.original(linked),
    thumbnailUrl: problem === null ? links.thumbnail(linked, 512) : null,
    exifData: exifOf(photo.exifData as Content | null, facts),
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
