import { atMost, type Figure, median, quantile } from "./figure.ts";
import { BenchPhone } from "./phone.ts";
import { pointAt } from "./points.ts";
import type { BenchServer } from "./server.ts";

const perSecond = 50;
const seconds = 10;
const mixedRounds = 11;

/** Deltas that bring and fetch nothing, at a steady beat. A late answer delays nobody else's turn, but counts whole. */
export async function measureEmptyDelta(server: BenchServer): Promise<Figure[]> {
  const phone = await BenchPhone.register(server);
  const body = phone.deltaBody(0);
  for (let round = 0; round < 50; round++) await (await phone.post("/sync/delta", body)).text();
  const began = performance.now();
  const answers = Array.from({ length: perSecond * seconds }, async (_, index) => {
    const due = began + (index * 1000) / perSecond;
    await Bun.sleep(Math.max(0, due - performance.now()));
    const sent = performance.now();
    await (await phone.post("/sync/delta", body)).text();
    return performance.now() - sent;
  });
  const took = await Promise.all(answers);
  return [
    atMost(`empty delta at ${perSecond}/s, p50`, median(took), 3, "ms"),
    atMost(`empty delta at ${perSecond}/s, p99`, quantile(took, 0.99), 15, "ms"),
  ];
}

interface Versions {
  readonly localVersion: number;
  readonly serverVersion: number | null;
}

const at = (n: number) => new Date(Date.parse("2025-07-01T10:00:00.000Z") + n * 3_600_000).toISOString();

const common = ({ localVersion, serverVersion }: Versions) => ({
  syncAction: "CREATE",
  localVersion,
  serverVersion,
  lastModified: new Date().toISOString(),
});

const visit = (n: number, versions: Versions) => ({
  ...common(versions),
  id: `visit_${n}_4813_1157`,
  location: { latitude: 48.137 + n / 1e5, longitude: 11.575 },
  placeName: `Café ${n}`,
  address: "Marienplatz 1, München",
  category: "FOOD",
  arrivalTime: at(n),
  departureTime: at(n + 1),
  durationMinutes: 60,
  confidence: 0.9,
  isFavorite: false,
  notes: `Edit ${versions.localVersion}`,
  photos: n % 2 === 0 ? [`photo_${n}`] : [],
  tripId: null,
});

const trip = (n: number, versions: Versions) => ({
  ...common(versions),
  id: `trip_${n}`,
  name: `Journey ${n}, edit ${versions.localVersion}`,
  startDate: at(n),
  endDate: at(n + 100),
  placeVisits: [],
  photos: [],
  notes: null,
  totalDistance: 12_345.6,
  countries: ["Germany", "Austria"],
});

const photo = (n: number, versions: Versions) => ({
  ...common(versions),
  id: `photo_${n}`,
  timestamp: at(n),
  location: { latitude: 48.137, longitude: 11.575 },
  placeVisitId: null,
  tripId: null,
  caption: null,
  url: "content://media/1",
  exifData: null,
});

/** Of a kind: as many as are new in this round, and as many again that were new in the round before. */
function some<T>(
  count: number,
  round: number,
  cursor: number,
  make: (n: number, versions: Versions) => T,
): T[] {
  const fresh = Array.from({ length: count }, (_, index) =>
    make(round * count + index, { localVersion: 1, serverVersion: null }),
  );
  const edited = Array.from({ length: round === 0 ? 0 : count }, (_, index) =>
    make((round - 1) * count + index, { localVersion: 2, serverVersion: cursor }),
  );
  return [...fresh, ...edited];
}

/** A thousand changes from the second round on: 599 points, 200 visits, 100 photos, 100 trips, half of them edits, settings. */
function changesOf(round: number, cursor: number, deviceId: string) {
  return {
    locations: Array.from({ length: 599 }, (_, index) => pointAt(round * 599 + index, deviceId)),
    placeVisits: some(100, round, cursor, visit),
    trips: some(50, round, cursor, trip),
    photos: some(50, round, cursor, photo),
    settings: {
      appearanceSettings: { theme: round % 2 ? "DARK" : "LIGHT" },
      serverVersion: cursor,
      lastModified: new Date().toISOString(),
    },
  };
}

/** Deltas of a thousand changes of all kinds that phones send, some of them edits of what the last one brought. */
export async function measureMixedDelta(server: BenchServer): Promise<Figure[]> {
  const phone = await BenchPhone.register(server);
  let cursor = 0;
  const took: number[] = [];
  for (let round = 0; round < mixedRounds; round++) {
    const changes = changesOf(round, cursor, phone.deviceId);
    const body = phone.deltaBody(cursor, changes);
    const began = performance.now();
    const text = await (await phone.post("/sync/delta", body)).text();
    // The first round has nothing to edit.
    if (round > 0) took.push(performance.now() - began);
    const answer = JSON.parse(text);
    const accepted = Object.values(answer.accepted as Record<string, string[]>).flat().length;
    if (accepted !== (round === 0 ? 800 : 1000)) throw new Error(`${accepted} changes were accepted`);
    cursor = answer.syncVersion;
  }
  return [atMost("delta of 1,000 mixed changes", median(took), 150, "ms")];
}
