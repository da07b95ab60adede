import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { instantHasher, login } from "../accounts/people.ts";
import { expectError } from "../http/error-shape.ts";
import { startTestServer, type TestServer } from "../support/test-server.ts";
import { idsOf, instant, newWriter, type Writer, writerFor } from "./writer.ts";

let server: TestServer;
let ada: Writer;
beforeAll(async () => {
  server = await startTestServer({}, { hasher: instantHasher });
  ada = await newWriter(server);
});
afterAll(() => server.stop());

const point = (id: string, more: object = {}) => ({
  id,
  timestamp: instant("05-01"),
  latitude: 47.5,
  longitude: 8.5,
  accuracy: 5,
  provider: "GPS",
  altitude: null,
  speed: null,
  bearing: null,
  batteryLevel: null,
  clientTimestamp: null,
  ...more,
});
const batch = (writer: Writer, locations: unknown[]) =>
  writer.post("/locations/batch", { deviceId: writer.deviceId, locations });

/** A point a minute, `p00`, `p01` ...; the accuracy in metres is the minute. */
const track = (count: number) =>
  Array.from({ length: count }, (_, minute) => {
    const two = String(minute).padStart(2, "0");
    return point(`p${two}`, { timestamp: instant("05-01", `10:${two}`), accuracy: minute });
  });

describe("a batch", () => {
  test("counts what it took, knew and refused, and keeps the good ones", async () => {
    const eve = await newWriter(server);
    const bad = [point("bad", { latitude: 91 }), "nonsense", point("no time", { timestamp: "noon" })];
    const first = await batch(eve, [point("a"), ...bad, point("b", { latitude: 1 })]);
    expect(first.status).toBe(200);
    expect(first.json).toMatchObject({
      accepted: 2,
      rejected: 3,
      duplicates: 0,
      syncVersion: expect.any(Number),
    });
    expect(first.json.invalid.map(({ id }: { id: string }) => id)).toEqual(["bad", "", "no time"]);
    const again = await batch(eve, [
      point("a"),
      point("other id"),
      point("c", { latitude: 2 }),
      point("c", { latitude: 3 }),
    ]);
    expect(again.json).toMatchObject({ accepted: 1, rejected: 1, duplicates: 2 });
    expect(idsOf(await eve.get("/locations"))).toEqual(["a", "b", "c"]);
  });

  test("of nothing is fine, and one of too much is 400", async () => {
    expect((await batch(ada, [])).json).toMatchObject({ accepted: 0, rejected: 0, duplicates: 0 });
    const many = Array.from({ length: 10_001 }, () => null);
    const answer = await batch(ada, many);
    expectError(answer, "VALIDATION_ERROR");
    expect(answer.json.details.locations).toContain("10000");
  });

  test("of ten thousand is taken, and sent again it is known", async () => {
    const eve = await newWriter(server);
    const points = Array.from({ length: 10_000 }, (_, index) =>
      point(`n${index}`, { latitude: index / 1000 }),
    );
    expect((await batch(eve, points)).json).toMatchObject({ accepted: 10_000, rejected: 0, duplicates: 0 });
    expect((await batch(eve, points)).json).toMatchObject({ accepted: 0, rejected: 0, duplicates: 10_000 });
    expect((await eve.get("/locations?limit=99999")).json.locations).toHaveLength(10_000);
  });

  test("belongs to the device that signed in", async () => {
    const body = { deviceId: crypto.randomUUID(), locations: [point("x")] };
    expectError(await ada.post("/locations/batch", body), "FORBIDDEN");
    expectError(await ada.post("/locations/batch", { locations: [] }), "VALIDATION_ERROR");
    const upper = { deviceId: ada.deviceId.toUpperCase(), locations: [] };
    expect((await ada.post("/locations/batch", upper)).status).toBe(200);
  });

  test("of the same fix from another device is another point", async () => {
    const eve = await newWriter(server);
    const other = writerFor(server, await login(server, eve));
    await batch(eve, [point("one")]);
    expect((await batch(other, [point("two")])).json).toMatchObject({ accepted: 1, duplicates: 0 });
  });

  test("takes the app's unknowns and edges", async () => {
    const eve = await newWriter(server);
    const edges = [
      point("unknown", { speed: -1, bearing: -1, batteryLevel: -1 }),
      point("north", {
        latitude: 90,
        longitude: 180,
        bearing: 360,
        speed: 0,
        batteryLevel: 1,
        altitude: 8848.9,
      }),
      point("south", {
        latitude: -90,
        longitude: -180,
        bearing: 0,
        batteryLevel: 0,
        accuracy: 0,
        altitude: -430,
      }),
    ];
    expect((await batch(eve, edges)).json).toMatchObject({ accepted: 3, rejected: 0 });
    expect((await eve.get("/locations/unknown")).json).toMatchObject({
      speed: null,
      bearing: null,
      batteryLevel: null,
    });
    expect((await eve.get("/locations/north")).json).toMatchObject(edges[1] as object);
    const wrong = [
      { latitude: -90.1 },
      { longitude: 180.1 },
      { accuracy: -1 },
      { batteryLevel: 1.1 },
      { bearing: 361 },
      { provider: "x".repeat(33) },
    ];
    const refused = await batch(
      eve,
      wrong.map((more, index) => point(`w${index}`, more)),
    );
    expect(refused.json).toMatchObject({ accepted: 0, rejected: wrong.length });
  });
});

describe("the list", () => {
  let eve: Writer;
  const ids = (from: number, to: number) =>
    track(60)
      .slice(from, to)
      .map(({ id }) => id);
  beforeAll(async () => {
    eve = await newWriter(server);
    await batch(eve, track(30).reverse());
  });
  const list = async (query: string) => idsOf(await eve.get(`/locations?${query}`));

  test("is in the order of time, with all that phones need", async () => {
    const { json } = await eve.get("/locations");
    expect(json.locations.map(({ id }: { id: string }) => id)).toEqual(ids(0, 30));
    expect(json.locations[3]).toMatchObject(track(4)[3] as object);
    expect(json.pagination).toEqual({ total: 30, limit: 1000, offset: 0, hasMore: false, nextCursor: null });
  });

  test.each([
    ["startTime=2025-05-01T10:10:00Z", 10, 30],
    ["endTime=2025-05-01T10:10:00Z", 0, 11],
    ["startTime=2025-05-01T10:05:00Z&endTime=2025-05-01T10:07:00Z", 5, 8],
    ["startTime=2025-05-01T12:05:00%2B02:00&endTime=2025-05-01T12:07:00%2B02:00", 5, 8],
    // Ktor leaves a plus sign as it is, and that is read as a space.
    ["startTime=2025-05-01T12:05:00+02:00", 5, 30],
    ["startTime=2026-01-01T00:00:00Z", 0, 0],
    ["minAccuracy=4", 0, 5],
    ["minAccuracy=4.5", 0, 5],
    ["minAccuracy=0", 0, 1],
    ["limit=7", 0, 7],
    ["limit=7&offset=7", 7, 14],
    ["limit=10&offset=25", 25, 30],
    ["offset=30", 0, 0],
    ["minAccuracy=20&startTime=2025-05-01T10:10:00Z&limit=3&offset=2", 12, 15],
  ])("of %s", async (query, from, to) => {
    expect(await list(query)).toEqual(ids(from, to));
  });

  test("says how many there are in all, whatever the page", async () => {
    const { json } = await eve.get("/locations?minAccuracy=20&limit=5&offset=10");
    expect(json.pagination).toMatchObject({ total: 21, limit: 5, offset: 10, hasMore: true });
  });

  test("is walked to its end by cursor, each point once, also among equals", async () => {
    const same = ["z", "x", "y"].map((id, index) =>
      point(id, { timestamp: instant("05-02"), latitude: index }),
    );
    await batch(eve, same);
    const seen: string[] = [];
    let cursor = "";
    do {
      const { json } = await eve.get(`/locations?limit=2${cursor && `&cursor=${cursor}`}`);
      seen.push(...json.locations.map(({ id }: { id: string }) => id));
      cursor = json.pagination.nextCursor;
      expect(json.pagination.hasMore).toBe(cursor !== null);
    } while (cursor);
    expect(seen).toEqual([...ids(0, 30), "x", "y", "z"]);
  });

  test("a cursor goes on where it was, whatever comes in between", async () => {
    const eva = await newWriter(server);
    await batch(eva, track(10));
    const { json } = await eva.get("/locations?limit=5");
    await batch(eva, [point("early", { timestamp: instant("04-01") })]);
    await eva.remove("/locations/p00");
    const next = await eva.get(`/locations?limit=2&cursor=${json.pagination.nextCursor}`);
    expect(idsOf(next)).toEqual(["p05", "p06"]);
  });

  const encoded = (text: string) => Buffer.from(text).toString("base64url");
  test.each([
    "startTime=yesterday",
    "startTime=2025-05-01",
    "endTime=2025-02-30T00:00:00Z",
    "minAccuracy=-1",
    "minAccuracy=five",
    "minAccuracy=NaN",
    "limit=0",
    "limit=ten",
    "offset=-1",
    "cursor=rubbish",
    `cursor=${encoded("0000-01-01T00:00:00Z x")}`,
    `cursor=${encoded("2025-01-01T00:00:00Z x\0y")}`,
    `cursor=${encoded("2025-01-01T00:00:00Z")}`,
  ])("%s is 400", async (query) => {
    const answer = await eve.get(`/locations?${query}`);
    expectError(answer, "VALIDATION_ERROR");
    expect(Object.keys(answer.json.details)[0]).toStartWith(query.split("=")[0] as string);
  });
});

describe("one point", () => {
  test("is read, deleted, deleted again, and never comes back", async () => {
    await batch(ada, [point("one")]);
    expect((await ada.get("/locations/one")).json).toMatchObject(point("one"));
    for (const _time of [1, 2]) expect((await ada.remove("/locations/one")).status).toBe(204);
    expectError(await ada.get("/locations/one"), "NOT_FOUND");
    expectError(await ada.remove("/locations/never"), "NOT_FOUND");
    expect((await batch(ada, [point("one")])).json).toMatchObject({ accepted: 0, duplicates: 1 });
    expectError(await ada.get("/locations/one"), "NOT_FOUND");
    expect(idsOf(await ada.get("/locations"))).toEqual([]);
  });
});
