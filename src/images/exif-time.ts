import { numberOf, sixtiethsOf, type Tags, textOf } from "./exif-values.ts";

export interface CaptureTime {
  /** What the camera's clock showed: `2025-11-17T10:00:00` or `2025-11-17T10:00:00.123`. */
  readonly capturedAt: string | null;
  /** How far that clock was from UTC: `+02:00`. */
  readonly capturedAtOffset: string | null;
}

/** The tags that belong together. The time of the last change (`DateTime`) says nothing about the picture. */
const clocks = [
  { time: "DateTimeOriginal", fraction: "SubSecTimeOriginal", offset: "OffsetTimeOriginal" },
  { time: "DateTimeDigitized", fraction: "SubSecTimeDigitized", offset: "OffsetTimeDigitized" },
] as const;

/** Minutes. Offsets of the world are multiples of 15, from -12:00 to +14:00. */
const step = 15;
const [westmost, eastmost] = [-12 * 60, 14 * 60];
/** Minutes that a camera's clock and its last fix may be apart for an offset to be told from them. */
const slack = 5;

/** Milliseconds of a wall clock, as if it were UTC; null for a date that does not exist. */
function millisOf(text: string): number | null {
  const millis = Date.parse(`${text}Z`);
  return !Number.isNaN(millis) && new Date(millis).toISOString().startsWith(text.slice(0, 19))
    ? millis
    : null;
}

function wallClock(tags: Tags, timeTag: string, fractionTag: string): string | null {
  const match = /^(\d{4})[:-](\d\d)[:-](\d\d)[ T](\d\d:\d\d:\d\d)/.exec(textOf(tags, timeTag, 40) ?? "");
  if (!match) return null;
  const seconds = `${match[1]}-${match[2]}-${match[3]}T${match[4]}`;
  const digits = /^\d{1,9}$/.exec(textOf(tags, fractionTag, 9) ?? "")?.[0];
  if (millisOf(seconds) === null) return null;
  return digits ? `${seconds}.${digits.slice(0, 3).padEnd(3, "0")}` : seconds;
}

function format(minutes: number): string {
  const two = (value: number) => String(value).padStart(2, "0");
  const size = Math.abs(minutes);
  return `${minutes < 0 ? "-" : "+"}${two(Math.floor(size / 60))}:${two(size % 60)}`;
}

function writtenOffset(text: string | null): string | null {
  if (text === "Z") return "+00:00";
  const match = /^([+-])(\d\d):(\d\d)$/.exec(text ?? "");
  if (!match || Number(match[3]) > 59) return null;
  const minutes = Number(`${match[1]}1`) * (Number(match[2]) * 60 + Number(match[3]));
  return minutes >= westmost && minutes <= eastmost ? format(minutes) : null;
}

/** Satellites tell UTC: what the camera's clock was ahead of them is its offset. */
function offsetFromSatellites(tags: Tags, capturedAt: string): string | null {
  const day = /^(\d{4}):(\d\d):(\d\d)$/.exec(textOf(tags, "GPSDateStamp", 10) ?? "");
  const hours = sixtiethsOf(tags, "GPSTimeStamp");
  const midnight = day && millisOf(`${day[1]}-${day[2]}-${day[3]}T00:00:00`);
  const local = millisOf(capturedAt);
  if (midnight === null || hours === null || local === null) return null;
  const minutes = (local - midnight) / 60_000 - hours * 60;
  const rounded = Math.round(minutes / step) * step;
  const plausible = Math.abs(minutes - rounded) <= slack && rounded >= westmost && rounded <= eastmost;
  return plausible ? format(rounded + 0) : null;
}

/** When a picture was taken. */
export function captureTime(tags: Tags): CaptureTime {
  for (const { time, fraction, offset } of clocks) {
    const capturedAt = wallClock(tags, time, fraction);
    if (capturedAt === null) continue;
    const written = writtenOffset(textOf(tags, offset, 10));
    return { capturedAt, capturedAtOffset: written ?? offsetFromSatellites(tags, capturedAt) };
  }
  return { capturedAt: null, capturedAtOffset: null };
}

/** How a picture has to be turned to be upright, 1 to 8; null when it does not say. */
export function orientationOf(tags: Tags): number | null {
  const value = numberOf(tags, "Orientation");
  return value !== null && Number.isInteger(value) && value >= 1 && value <= 8 ? value : null;
}
