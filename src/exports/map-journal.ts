import type { Content } from "../sync/entity.ts";
import type { Journal, PlacedPhoto, TrackPoint, Visit } from "./journal.ts";
import type { Snapshot } from "./snapshot.ts";

type Place = { latitude: number; longitude: number };
/** What a photo's picture says of itself, and what came with it. */
export interface PhotoDetails extends Content {
  readonly path: string | null;
  readonly said: { location?: Place | null; caption?: string | null; exifData?: Content | null } | null;
  readonly facts: Content & { location?: Place };
}

/** Where a photo was taken: what the phones say, else what came with its picture, else what that says itself. */
export function placeOf({ location, file }: Content): Place | null {
  const details = file as PhotoDetails | null;
  return (location as Place | null) ?? details?.said?.location ?? details?.facts.location ?? null;
}

/** What a photo shows, in somebody's words. */
export const captionOf = ({ caption, file }: Content): string | null =>
  (caption as string | null) ?? (file as PhotoDetails | null)?.said?.caption ?? null;

async function* points(snapshot: Snapshot): AsyncGenerator<TrackPoint> {
  const names = new Map<unknown, string>();
  for await (const { deviceId, deviceName } of snapshot.records("devices"))
    names.set(deviceId, String(deviceName));
  for await (const point of snapshot.records("locations"))
    yield { ...(point as unknown as TrackPoint), deviceName: names.get(point.deviceId) ?? "" };
}

async function* visits(snapshot: Snapshot): AsyncGenerator<Visit> {
  for await (const { location, ...visit } of snapshot.records("placeVisits"))
    yield { ...(visit as unknown as Visit), ...(location as Place) };
}

async function* photos(snapshot: Snapshot): AsyncGenerator<PlacedPhoto> {
  for await (const photo of snapshot.records("photos")) {
    const place = placeOf(photo);
    if (!place) continue;
    const { id, timestamp, file } = photo;
    yield {
      id: String(id),
      timestamp: String(timestamp),
      latitude: place.latitude,
      longitude: place.longitude,
      caption: captionOf(photo),
      file: (file as PhotoDetails | null)?.path ?? null,
    };
  }
}

/** What of an account's rows can be shown on a map. */
export function mapJournal(snapshot: Snapshot): Journal {
  const { displayName, exportedAt } = snapshot.account;
  return {
    displayName,
    exportedAt,
    points: () => points(snapshot),
    visits: () => visits(snapshot),
    photos: () => photos(snapshot),
  };
}
