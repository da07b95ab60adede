import { fractionOf, numberOf, sixtiethsOf, type Tags, textOf, within } from "./exif-values.ts";

/** WGS 84 degrees. */
export interface Place {
  readonly latitude: number;
  readonly longitude: number;
}

function degrees(tags: Tags, name: string, negative: string, limit: number): number | null {
  const size = within(sixtiethsOf(tags, name), 0, limit);
  if (size === null) return null;
  return textOf(tags, `${name}Ref`, 10)?.toUpperCase() === negative ? 0 - size : size;
}

/** Where a picture was taken; null when it does not say. Cameras without a fix write zeros. */
export function locationOf(tags: Tags): Place | null {
  const latitude = degrees(tags, "GPSLatitude", "S", 90);
  const longitude = degrees(tags, "GPSLongitude", "W", 180);
  if (latitude === null || longitude === null || (latitude === 0 && longitude === 0)) return null;
  return { latitude, longitude };
}

/** Metres above the sea, from the bottom of the deepest trench to the edge of space. */
export function altitudeOf(tags: Tags): number | null {
  const metres = fractionOf(tags, "GPSAltitude");
  const below = [1, 3].includes(numberOf(tags, "GPSAltitudeRef") ?? 0);
  return within(metres !== null && below ? 0 - metres : metres, -12_000, 100_000);
}
