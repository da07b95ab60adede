import { XMLParser, XMLValidator } from "fast-xml-parser";
import { DemoFailure } from "./failure.ts";

/** One recorded point; `time` is milliseconds since 1970, `elevation` metres. */
export interface TrackPoint {
  latitude: number;
  longitude: number;
  elevation: number | null;
  time: number;
}

interface Recorded {
  latitude: number;
  longitude: number;
  elevation: number | null;
  time: number | null;
}

interface GpxPoint {
  lat?: string;
  lon?: string;
  ele?: string;
  time?: string;
}

interface Gpx {
  trk?: { trkseg?: { trkpt?: GpxPoint[] }[] }[];
  rte?: { rtept?: GpxPoint[] }[];
}

const LISTS = new Set(["trk", "trkseg", "trkpt", "rte", "rtept"]);
const WALKING_METRES_PER_SECOND = 1.3;
/** When nothing in the file says when it was. */
const SOME_MORNING = Date.parse("2025-06-01T07:30:00.000Z");

/**
 * Reads the tracks and routes of a GPX file (1.0 or 1.1) in the order of their times; points without a time get one as
 * if they were walked.
 * @throws DemoFailure when it is no GPX, or has no points
 */
export function readTrack(xml: string, name: string): TrackPoint[] {
  const points = recordedPoints(parse(xml, name));
  if (points.length === 0) throw new DemoFailure(`${name} has no track or route points`);
  return withoutRepeats(withTimes(points));
}

function parse(xml: string, name: string): Gpx {
  const parser = new XMLParser({
    ignoreAttributes: false,
    attributeNamePrefix: "",
    parseTagValue: false,
    removeNSPrefix: true,
    isArray: (tag) => LISTS.has(tag),
  });
  const valid = XMLValidator.validate(xml) === true;
  const document = valid ? parser.parse(xml) : {};
  if (typeof document.gpx !== "object") throw new DemoFailure(`${name} is not a GPX file`);
  return document.gpx;
}

function recordedPoints(gpx: Gpx): Recorded[] {
  const tracks = (gpx.trk ?? []).flatMap(({ trkseg = [] }) => trkseg.flatMap(({ trkpt = [] }) => trkpt));
  const routes = (gpx.rte ?? []).flatMap(({ rtept = [] }) => rtept);
  return [...tracks, ...routes].map(recorded).filter((point) => point !== null);
}

function recorded({ lat, lon, ele, time }: GpxPoint): Recorded | null {
  const [latitude, longitude, elevation] = [
    Number(lat ?? Number.NaN),
    Number(lon ?? Number.NaN),
    Number(ele),
  ];
  if (!(Math.abs(latitude) <= 90 && Math.abs(longitude) <= 180)) return null;
  const at = time === undefined ? Number.NaN : Date.parse(time);
  return {
    latitude,
    longitude,
    elevation: ele === undefined || Number.isNaN(elevation) ? null : elevation,
    time: Number.isNaN(at) ? null : at,
  };
}

function withTimes(points: Recorded[]): TrackPoint[] {
  const firstKnown = points.find((point) => point.time !== null)?.time ?? SOME_MORNING;
  const timed: TrackPoint[] = [];
  for (const point of points) {
    const before = timed.at(-1);
    const seconds = before ? metresBetween(before, point) / WALKING_METRES_PER_SECOND : 0;
    const guessed = before ? before.time + Math.max(1, Math.round(seconds)) * 1_000 : firstKnown;
    timed.push({ ...point, time: point.time ?? guessed });
  }
  return timed.sort((one, other) => one.time - other.time);
}

/** The same place at the same instant is one fact, however often the file tells it. */
function withoutRepeats(points: TrackPoint[]): TrackPoint[] {
  const facts = new Map(points.map((point) => [`${point.time} ${point.latitude} ${point.longitude}`, point]));
  return [...facts.values()];
}

/** Metres along the great circle (haversine). */
export function metresBetween(
  one: { latitude: number; longitude: number },
  other: { latitude: number; longitude: number },
): number {
  const radians = (degrees: number) => (degrees * Math.PI) / 180;
  const dLatitude = radians(other.latitude - one.latitude);
  const dLongitude = radians(other.longitude - one.longitude);
  const across = Math.cos(radians(one.latitude)) * Math.cos(radians(other.latitude));
  const h = Math.sin(dLatitude / 2) ** 2 + across * Math.sin(dLongitude / 2) ** 2;
  return 2 * 6_371_008.8 * Math.asin(Math.sqrt(h));
}
