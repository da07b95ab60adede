import { createHash } from "node:crypto";
import { type ExifTags, exifBlock, withExif } from "./exif.ts";
import type { PhotoContent } from "./phone-content.ts";
import type { PhoneStore } from "./phone-store.ts";
import { quadrantsPng } from "./png.ts";
import type { uploaded } from "./wire.ts";

const base = await new Bun.Image(quadrantsPng(64, 48)).jpeg().bytes();

/** A multipart body, ready to be sent. */
export interface Form {
  readonly contentType: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** One picture on its way to the server. */
export interface PictureUpload {
  readonly photoId: string;
  /** What the app says of the photo, beside its id. */
  readonly metadata: Partial<PhotoContent> & { readonly timestamp: string };
  readonly bytes: Uint8Array;
  /** Whether the app takes the answered version for the photo's. */
  readonly takesVersion: boolean;
  /** Whether the app takes the answered links. */
  readonly takesLinks: boolean;
  /** Whether it is one of this phone's own photos, which the server may not know yet. */
  readonly isOwn: boolean;
}

/**
 * The picture of a photo, the same on every phone that has it: some say where and with what they were taken, and a few
 * photos show the same.
 * @param variant other than 0 for another picture of the same photo
 */
export function pictureOf(photoId: string, variant = 0): Uint8Array {
  const [a = 0, b = 0, c = 0] = createHash("sha256").update(`${photoId}/${variant}`).digest();
  const tail = Buffer.from(a < 32 ? `shared ${b % 4}` : `${photoId}/${variant}`);
  const chosen = a < 32 ? b % 4 : c;
  const place: ExifTags = {
    GPSLatitudeRef: "N",
    GPSLatitude: [
      [12, 1],
      [chosen % 60, 1],
      [0, 1],
    ],
    GPSLongitudeRef: "E",
    GPSLongitude: [
      [80, 1],
      [30, 1],
      [0, 1],
    ],
  };
  const camera: ExifTags = { Make: "Maker", Model: `Camera ${chosen % 9}`, ISOSpeedRatings: 100 + chosen };
  const time: ExifTags = { DateTimeOriginal: "2025:11:17 10:00:00" };
  const tags = {
    ...(chosen % 3 > 0 ? place : {}),
    ...(chosen % 2 > 0 ? camera : {}),
    ...(chosen % 5 === 0 ? time : {}),
  };
  const jpeg = Buffer.concat([base, tail]);
  return Object.keys(tags).length > 0 ? withExif(jpeg, exifBlock(tags)) : jpeg;
}

/** The form as the app writes it, with its malformed headers: two dispositions in one. */
export function pictureForm({ photoId, metadata, bytes }: PictureUpload): Form {
  const boundary = `trailglass-${crypto.randomUUID()}`;
  const nothing = { location: null, placeVisitId: null, tripId: null, caption: null, exifData: null };
  const json = JSON.stringify({ ...nothing, ...metadata, id: photoId });
  const disposition = (name: string) =>
    `Content-Disposition: form-data; name=${name}; form-data; name="${name}"`;
  const head = (name: string, more: string, type: string) =>
    `--${boundary}\r\n${disposition(name)}${more}\r\nContent-Type: ${type}\r\n\r\n`;
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    bytes: new Uint8Array(
      Buffer.concat([
        Buffer.from(`${head("metadata", "", "application/json")}${json}\r\n`),
        Buffer.from(head("file", '; filename="photo.jpg"', "image/jpeg")),
        bytes,
        Buffer.from(`\r\n--${boundary}--\r\n`),
      ]),
    ),
  };
}

/** The part of a signed link that is the same in every answer. */
export function linkPath(url: string): string {
  return new URL(url).pathname;
}

/** Writes the answer to an upload into the phone's database, as far as the app does. */
export function applyUploaded(
  store: PhoneStore,
  { photoId, takesVersion, takesLinks }: PictureUpload,
  answer: typeof uploaded._output,
): void {
  const row = store.get("photos", photoId);
  if (!row) return;
  if (takesVersion) row.serverVersion = answer.serverVersion;
  if (!takesLinks) return;
  const links: Record<string, unknown> = {
    url: linkPath(answer.url),
    thumbnailUrl: linkPath(answer.thumbnailUrl),
  };
  for (const [name, path] of Object.entries(links)) {
    // An app that does not know a link has no place for it.
    if (!(name in row.content) || row.content[name] === path) continue;
    row.content = { ...row.content, [name]: path };
    store.revision++;
  }
}
