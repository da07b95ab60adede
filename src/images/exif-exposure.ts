import { fractionOf, numberOf, type Tags, textOf, within } from "./exif-values.ts";

/** Half a second is a fraction, 1.3 seconds are not. */
function shutterSpeed(seconds: number | null): string | null {
  if (seconds === null) return null;
  const parts = Math.round(1 / seconds);
  const isFraction = parts >= 2 && Math.abs(1 / seconds - parts) / parts < 0.1;
  return isFraction ? `1/${parts}` : `${Number(seconds.toFixed(1))} s`;
}

/** The camera and its settings: what PictureFacts says of them, null where a picture does not say. */
export function exposureOf(tags: Tags) {
  const exposureTime = within(fractionOf(tags, "ExposureTime"), 1e-6, 1e6);
  const iso = within(numberOf(tags, "ISOSpeedRatings"), 1, 2_147_483_647);
  return {
    cameraMake: textOf(tags, "Make", 200),
    cameraModel: textOf(tags, "Model", 200),
    lensModel: textOf(tags, "LensModel", 200),
    focalLength: within(fractionOf(tags, "FocalLength"), 0.01, 100_000),
    aperture: within(fractionOf(tags, "FNumber"), 0.01, 1000),
    iso: iso === null ? null : Math.floor(iso),
    shutterSpeed: shutterSpeed(exposureTime),
    exposureTime,
  };
}
