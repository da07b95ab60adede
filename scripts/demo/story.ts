import type { Phone } from "../../test/support/phone.ts";
import { LostAnswer } from "../../test/support/phone-transport.ts";
import type { BadReception } from "./bad-reception.ts";
import type { Progress } from "./progress.ts";
import { metresBetween, type TrackPoint } from "./track.ts";

/** Who plays: two phones of one account, each with its own bad reception. */
export interface Cast {
  anna: Phone;
  ben: Phone;
  reception: { anna: BadReception; ben: BadReception };
  progress: Progress;
}

const SMALLEST_BATCH = 10;
const LARGEST_BATCH = 10_000;
/** Few enough for the server's limit on batches, many enough to see something move. */
const BATCHES = 24;

/** Both phones record the track in turn; now and then the answer to an upload is lost. */
export async function recordTrack(cast: Cast, points: TrackPoint[]): Promise<void> {
  const even = Math.ceil(points.length / BATCHES);
  const size = Math.min(LARGEST_BATCH, Math.max(SMALLEST_BATCH, even));
  for (let start = 0, turn = 0; start < points.length; start += size, turn++) {
    const who = turn % 2 === 0 ? "anna" : "ben";
    const batch = points.slice(start, start + size);
    cast[who].addLocations(
      batch.map((point, index) => sample(point, points[start + index - 1], start + index)),
    );
    if (turn % 5 === 1) cast.reception[who].dropNextAnswer();
    await untilAnswered(() => cast[who].uploadBatch(LARGEST_BATCH));
    cast.progress.count(
      "Playing the track from two phones",
      Math.min(start + size, points.length),
      points.length,
    );
  }
}

function sample(point: TrackPoint, before: TrackPoint | undefined, index: number) {
  const seconds = before ? (point.time - before.time) / 1_000 : 0;
  return {
    id: `sample_${crypto.randomUUID()}`,
    timestamp: new Date(point.time).toISOString(),
    latitude: point.latitude,
    longitude: point.longitude,
    altitude: point.elevation,
    // A phone under trees is a little less sure than one in the open.
    accuracy: 4 + ((index * 7) % 9),
    speed: before && seconds > 0 ? Math.min(60, metresBetween(before, point) / seconds) : null,
    provider: "GPS",
  };
}

/** Anna writes the day down: visits, a trip, photos. The answer to her first sync is lost. */
export async function writeJournal(
  { anna, reception, progress }: Cast,
  points: TrackPoint[],
): Promise<string[]> {
  progress.step("Anna writes down visits, a trip and photos; the answer to her sync is lost");
  const stops = [0.1, 0.35, 0.6, 0.9].map((part) => points[Math.floor(part * (points.length - 1))]);
  const names = ["Café by the gate", "Viewpoint", "Playground", "Old mill"];
  const visits = stops.flatMap((stop, index) => (stop ? [visitAt(anna, stop, names[index] ?? "Stop")] : []));
  addTrip(anna, points);
  reception.anna.dropNextAnswer();
  await untilAnswered(() => anna.sync());
  return visits;
}

function visitAt(phone: Phone, stop: TrackPoint, placeName: string): string {
  const { latitude, longitude, time } = stop;
  const location = { latitude, longitude };
  const timestamp = new Date(time + 60_000).toISOString();
  const photo = `photo_${crypto.randomUUID()}`;
  phone.upsert("photos", { id: photo, timestamp, location });
  const id = `visit_${time}_${Math.round(latitude * 1e6)}_${Math.round(longitude * 1e6)}`;
  phone.upsert("placeVisits", {
    id,
    location,
    placeName,
    category: "OUTDOOR",
    arrivalTime: new Date(time).toISOString(),
    departureTime: new Date(time + 600_000).toISOString(),
    confidence: 0.9,
    isFavorite: false,
    notes: null,
    photos: [photo],
  });
  return id;
}

function addTrip(phone: Phone, points: TrackPoint[]): void {
  const [first, last] = [points[0], points.at(-1)];
  if (!first || !last) return;
  const length = points.reduce((sum, point, i) => sum + metresBetween(points[i - 1] ?? point, point), 0);
  phone.upsert("trips", {
    id: `trip_${first.time}_1`,
    name: "A day out",
    startDate: new Date(first.time).toISOString(),
    endDate: new Date(last.time).toISOString(),
    totalDistance: Math.round(length),
    countries: [],
  });
}

/** Both edit the first visit before either has synced; Ben, who is later, keeps his side. */
export async function quarrel({ anna, ben, reception, progress }: Cast, visits: string[]): Promise<void> {
  const [contested = "", edited = "", deleted = ""] = visits;
  progress.step("Ben's phone catches up");
  await untilRead(ben);
  progress.step("Both edit the same visit; Ben also edits another and deletes a third");
  anna.edit("placeVisits", contested, { notes: "Anna: the cake was excellent" });
  await Bun.sleep(5);
  ben.edit("placeVisits", contested, { notes: "Ben: the cake was dry" });
  ben.edit("placeVisits", edited, { isFavorite: true, notes: "You can see the sea" });
  ben.delete("placeVisits", deleted);
  await untilAnswered(() => anna.sync());
  await untilAnswered(() => ben.sync());
  progress.step("The conflict was reported to Ben, who keeps his side; the answer is lost once more");
  reception.ben.dropNextAnswer();
  await untilAnswered(() => ben.sync());
  await untilRead(anna);
}

/** Repeats what got no answer, as the phone does on its next round. */
async function untilAnswered<Answer>(call: () => Promise<Answer>): Promise<Answer> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof LostAnswer) || attempt === 5) throw error;
    }
  }
}

/** Syncs until the answer says that there is no more. */
export async function untilRead(phone: Phone): Promise<void> {
  while ((await untilAnswered(() => phone.sync())).hasMore);
}
