import type { Fix } from "./tracks.ts";

const between = (from: number, to: number, share: number) => from + (to - from) * share;

/** Where the way from one fix to the next meets the antimeridian, as the first one's side calls it. */
function crossing(from: Fix, to: Fix): Fix {
  const edge = from.longitude < 0 ? -180 : 180;
  const unrolled = to.longitude + 2 * edge;
  const share = (edge - from.longitude) / (unrolled - from.longitude);
  const isKnown = from.altitude !== null && to.altitude !== null;
  return {
    time: Math.round(between(from.time, to.time, share)),
    latitude: between(from.latitude, to.latitude, share),
    longitude: edge,
    altitude: isKnown ? between(from.altitude, to.altitude, share) : null,
  };
}

const mirrored = (fix: Fix): Fix => ({ ...fix, longitude: -fix.longitude });

/**
 * Cuts a line where it crosses the antimeridian (RFC 7946, section 3.1.9): where two longitudes are more than half
 * the globe apart, as the way between is taken to be the shorter one. Both sides get a point on the cut; its
 * latitude, altitude and time lie between those of its neighbours.
 * @returns one part when nothing crosses; else parts of at least two fixes each
 */
export function cutAtAntimeridian([first, ...others]: [Fix, ...Fix[]]): Fix[][] {
  const parts: Fix[][] = [];
  let part = [first];
  let last = first;
  for (const other of others) {
    const isFar = Math.abs(other.longitude - last.longitude) > 180;
    // 180 and -180 are one meridian: a point on it is on either side.
    const fix = isFar && Math.abs(other.longitude) === 180 ? mirrored(other) : other;
    if (fix === other && isFar) {
      const edge = crossing(last, fix);
      if (last.longitude !== edge.longitude) part.push(edge);
      parts.push(part);
      part = [mirrored(edge)];
    }
    part.push(fix);
    last = fix;
  }
  // A track that begins on the antimeridian leaves a part of that point alone, which the next part begins with, too.
  return [...parts, part].filter(({ length }) => length > 1 || others.length === 0);
}
