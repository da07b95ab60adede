import ExifReader from "exifreader";
import { readExifBlock } from "./exif-block.ts";
import { exposureOf } from "./exif-exposure.ts";
import { altitudeOf, locationOf, type Place } from "./exif-place.ts";
import { captureTime, orientationOf } from "./exif-time.ts";
import type { Tags } from "./exif-values.ts";
import { describeHeif } from "./heif-description.ts";
import type { MediaType } from "./media-type.ts";

/** What a picture says of itself. What it does not say is missing. */
export interface PictureFacts {
  /** Pixels, as it is shown upright. */
  readonly width?: number;
  readonly height?: number;
  /** How the stored pixels have to be turned to be upright, 1 to 8, as EXIF counts them. */
  readonly orientation?: number;
  /** What the camera's clock showed: `2025-11-17T10:00:00` or `2025-11-17T10:00:00.123`. */
  readonly capturedAt?: string;
  /** How far that clock was from UTC: `+02:00`. */
  readonly capturedAtOffset?: string;
  /** WGS 84 degrees. */
  readonly location?: Place;
  /** Metres above the sea. */
  readonly altitude?: number;
  readonly cameraMake?: string;
  readonly cameraModel?: string;
  readonly lensModel?: string;
  /** Millimetres. */
  readonly focalLength?: number;
  /** The f-number. */
  readonly aperture?: number;
  readonly iso?: number;
  /** As photographers write it: `1/50`, or `2 s`. */
  readonly shutterSpeed?: string;
  /** Seconds. */
  readonly exposureTime?: number;
}

type Found = { [Key in keyof PictureFacts]: PictureFacts[Key] | null | undefined };

/** The tags that are looked at; whatever else a file holds is not even decoded. */
const wanted = [
  ..."Orientation Make Model LensModel FocalLength FNumber ISOSpeedRatings ExposureTime".split(" "),
  ..."DateTimeOriginal SubSecTimeOriginal OffsetTimeOriginal".split(" "),
  ..."DateTimeDigitized SubSecTimeDigitized OffsetTimeDigitized".split(" "),
  ..."GPSLatitude GPSLatitudeRef GPSLongitude GPSLongitudeRef GPSAltitude GPSAltitudeRef".split(" "),
  ..."GPSDateStamp GPSTimeStamp".split(" "),
];

/** Runs a reader on what anyone may have sent; what cannot be read is as if it were not there. */
async function attempt<T>(read: () => T | Promise<T>): Promise<T | null> {
  try {
    return await read();
  } catch {
    return null;
  }
}

async function readTags(file: Blob, mediaType: MediaType): Promise<Tags> {
  const block = await readExifBlock(file, mediaType);
  if (block === null) return {};
  const tags = ExifReader.load(block.slice().buffer, { expanded: true, includeTags: { exif: wanted } });
  return (tags.exif ?? {}) as Tags;
}

/**
 * Bytes from a file's start in which its dimensions are looked for. Some cameras put megabytes of depth maps before
 * them; a whole picture is never read, for many are received at once.
 */
const prefixes = [256 * 1024, 8 * 1024 * 1024] as const;

/** Dimensions of a JPEG, PNG, WebP or GIF. */
async function rasterSize(file: Blob): Promise<{ width: number; height: number } | null> {
  for (const length of prefixes) {
    const size = await attempt(async () => {
      const start = await file.slice(0, length).bytes();
      return new Bun.Image(start, { maxPixels: Number.MAX_SAFE_INTEGER }).metadata();
    });
    if (size || file.size <= length) return size;
  }
  return null;
}

/** Bun turns JPEGs by itself; what the others say of their orientation it does not look at. */
async function shape(file: Blob, mediaType: MediaType, tags: Tags): Promise<Found> {
  const heif = /hei[cf]|avif/.test(mediaType) ? await attempt(() => describeHeif(file)) : null;
  const size = heif ?? (await rasterSize(file));
  const orientation = heif?.orientation ?? orientationOf(tags);
  const { width, height } = size ?? {};
  const onItsSide = orientation !== null && orientation >= 5 && mediaType !== "image/jpeg";
  return { orientation, width: onItsSide ? height : width, height: onItsSide ? width : height };
}

/**
 * Reads what a picture says of itself. Never throws: of a damaged file it gives what can be read, `{}` at worst.
 * Of the file at most eight megabytes are read.
 */
export async function readFacts(file: Blob, mediaType: MediaType): Promise<PictureFacts> {
  const tags = (await attempt(() => readTags(file, mediaType))) ?? {};
  const found: Found = {
    ...(await shape(file, mediaType, tags)),
    ...captureTime(tags),
    location: locationOf(tags),
    altitude: altitudeOf(tags),
    ...exposureOf(tags),
  };
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value != null));
}
