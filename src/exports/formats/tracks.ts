import type { TrackPoint } from "../journal.ts";
import { dayOf, deviceLabel } from "./labels.ts";

/** As much of a point as lines on a map are drawn from; numbers only, since a day of them is held at once. */
export interface Fix extends Pick<TrackPoint, "latitude" | "longitude" | "altitude"> {
  /** Milliseconds since 1970. */
  readonly time: number;
}

/** Where one device was on one day (UTC). */
export interface Track {
  /** Such as `2025-11-17 · Ana's phone`. */
  readonly name: string;
  readonly day: string;
  readonly deviceId: string;
  readonly deviceName: string;
  /** By time; at least one. */
  readonly fixes: [Fix, ...Fix[]];
}

/** One a second for a whole day. What a device has beyond that goes on in another track, so that memory is bounded. */
const mostFixes = 86_400;

export const trackName = (point: TrackPoint) => `${dayOf(point.timestamp)} · ${deviceLabel(point)}`;

export function isSameTrack(one: TrackPoint, other: TrackPoint): boolean {
  return one.deviceId === other.deviceId && dayOf(one.timestamp) === dayOf(other.timestamp);
}

const fixOf = ({ timestamp, latitude, longitude, altitude }: TrackPoint): Fix => ({
  time: Date.parse(timestamp),
  latitude,
  longitude,
  altitude,
});

function begin(point: TrackPoint): Track {
  const { deviceId } = point;
  return {
    name: trackName(point),
    day: dayOf(point.timestamp),
    deviceId,
    deviceName: deviceLabel(point),
    fixes: [fixOf(point)],
  };
}

/** Gathers the points of each day and device. Holds one track at a time, and of its points the fixes only. */
export async function* tracksOf(points: AsyncIterable<TrackPoint>): AsyncGenerator<Track> {
  let track: Track | undefined;
  let last: TrackPoint | undefined;
  for await (const point of points) {
    if (track && last && isSameTrack(last, point) && track.fixes.length < mostFixes) {
      track.fixes.push(fixOf(point));
    } else {
      if (track) yield track;
      track = begin(point);
    }
    last = point;
  }
  if (track) yield track;
}

/** Heights of a line are drawn only where each of its points has one: readers take a missing one for sea level. */
export const hasAltitudes = (fixes: readonly Fix[]) => fixes.every(({ altitude }) => altitude !== null);
