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

const trip = (id: string, more: object = {}) => ({
  id,
  name: id,
  startDate: instant("03-01"),
  endDate: instant("03-05"),
  ...more,
});
const visit = (id: string, more: object = {}) => ({
  id,
  location: { latitude: 47.5, longitude: 8.5 },
  category: "FOOD",
  arrivalTime: instant("03-01"),
  confidence: 1,
  ...more,
});

describe("by date", () => {
  let eve: Writer;
  beforeAll(async () => {
    eve = await newWriter(server);
    await eve.post(
      "/trips",
      trip("march", { startDate: instant("03-01", "00:00"), endDate: instant("03-05", "23:59") }),
    );
    await eve.post("/trips", trip("may", { startDate: instant("05-10"), endDate: instant("05-20") }));
    await eve.post("/trips", trip("day", { startDate: instant("07-07"), endDate: instant("07-07") }));
  });

  test.each([
    ["startDate=2025-03-05", ["day", "may", "march"]],
    ["startDate=2025-03-06", ["day", "may"]],
    ["endDate=2025-02-28", []],
    ["endDate=2025-03-01", ["march"]],
    ["endDate=2025-05-10", ["may", "march"]],
    ["startDate=2025-05-15&endDate=2025-05-15", ["may"]],
    ["startDate=2025-07-07&endDate=2025-07-07", ["day"]],
    ["startDate=2025-07-07T10:00:00.000Z&endDate=2025-07-07T10:00:00.000Z", ["day"]],
    ["startDate=2025-07-07T10:00:00.001Z", []],
    ["endDate=2025-05-10T12:00:00+02:00", ["may", "march"]],
    ["endDate=2025-05-10T11:59:00%2B02:00", ["march"]],
    ["startDate=2025-01-01&endDate=2025-12-31&limit=1&offset=1", ["may"]],
  ])("%s has the trips that it touches", async (query, expected) => {
    expect(idsOf(await eve.get(`/trips?${query}`))).toEqual(expected);
  });

  test.each(["startDate=2025-13-01", "endDate=2025-02-29", "startDate=soon", "endDate=2025-1-1"])(
    "%s is 400",
    async (query) => {
      const answer = await eve.get(`/trips?${query}`);
      expectError(answer, "VALIDATION_ERROR");
      expect(Object.keys(answer.json.details)).toEqual([query.split("=")[0] as string]);
    },
  );
});

describe("what contradicts itself is 400", () => {
  test("an end before the start, at once or by parts", async () => {
    expectError(await ada.post("/trips", trip("x", { endDate: instant("02-01") })), "VALIDATION_ERROR");
    const { json } = await ada.post("/trips", trip("backwards"));
    const put = { endDate: instant("02-01"), expectedVersion: json.serverVersion };
    expectError(await ada.put("/trips/backwards", put), "VALIDATION_ERROR");
    expect((await ada.get("/trips/backwards")).json.endDate).toBe(instant("03-05"));
  });
});

describe("members", () => {
  test("show as they arrive, and stay when the trip goes", async () => {
    const eve = await newWriter(server);
    await eve.post("/trips", trip("t", { placeVisits: ["v1", "v2"] }));
    expect((await eve.get("/trips/t")).json.placeVisits).toEqual([]);
    await eve.post("/place-visits", visit("v1"));
    await eve.post("/place-visits", visit("v2"));
    await eve.post("/place-visits", visit("v3", { tripId: "t" }));
    expect((await eve.get("/trips/t")).json.placeVisits.sort()).toEqual(["v1", "v2", "v3"]);
    expect((await eve.get("/place-visits/v1")).json.tripId).toBe("t");
    expect((await eve.remove("/trips/t")).status).toBe(204);
    for (const id of ["v1", "v2", "v3"]) {
      const { status, json } = await eve.get(`/place-visits/${id}`);
      expect([status, json.tripId]).toEqual([200, null]);
    }
  });

  test("a PUT that lists them is all there are; null leaves them", async () => {
    const eve = await newWriter(server);
    for (const id of ["v1", "v2"]) await eve.post("/place-visits", visit(id));
    await eve.post("/trips", trip("t", { placeVisits: ["v1", "v2"] }));
    const version = async () => (await eve.get("/trips/t")).json.serverVersion;
    const kept = await eve.put("/trips/t", {
      name: "N",
      placeVisits: null,
      expectedVersion: await version(),
    });
    expect(kept.status).toBe(200);
    expect((await eve.get("/trips/t")).json.placeVisits).toEqual(["v1", "v2"]);
    await eve.put("/trips/t", { placeVisits: ["v2"], expectedVersion: await version() });
    expect((await eve.get("/trips/t")).json.placeVisits).toEqual(["v2"]);
    expect((await eve.get("/place-visits/v1")).json.tripId).toBeNull();
  });
});

describe("days", () => {
  test("are made by PUT, listed by date, and changed by version", async () => {
    const eve = await newWriter(server);
    await eve.post("/trips", trip("t"));
    expect((await eve.get("/trips/t/days")).json).toMatchObject({
      days: [],
      pagination: { total: 0, hasMore: false },
    });
    await eve.put("/trips/t/days/2025-03-02", { notes: "second" });
    const { json } = await eve.put("/trips/t/days/2025-03-01", { notes: "first", expectedVersion: 0 });
    expect(json).toEqual({
      id: expect.any(String),
      serverVersion: expect.any(Number),
      syncTimestamp: expect.any(String),
    });
    const days = (await eve.get("/trips/t/days")).json.days;
    expect(days.map(({ date, notes }: { date: string; notes: string }) => [date, notes])).toEqual([
      ["2025-03-01", "first"],
      ["2025-03-02", "second"],
    ]);
    const day = (await eve.get("/trips/t/days/2025-03-01")).json;
    expect(day).toMatchObject({
      id: json.id,
      tripId: "t",
      notes: "first",
      serverVersion: json.serverVersion,
    });
    const edit = { notes: "edited", expectedVersion: day.serverVersion };
    expect((await eve.put("/trips/t/days/2025-03-01", edit)).status).toBe(200);
    expectError(await eve.put("/trips/t/days/2025-03-01", { ...edit, notes: "stale" }), "VERSION_CONFLICT");
    expect((await eve.get("/trips/t/days/2025-03-01")).json.notes).toBe("edited");
  });

  test("the first PUT of a day may be sent again, and another phone's is told", async () => {
    const eve = await newWriter(server);
    const other = writerFor(server, await login(server, eve));
    await eve.post("/trips", trip("t"));
    const body = { notes: "once", expectedVersion: 0 };
    const [one, two] = [
      await eve.put("/trips/t/days/2025-03-01", body),
      await eve.put("/trips/t/days/2025-03-01", body),
    ];
    expect(two.json).toMatchObject({ id: one.json.id, serverVersion: one.json.serverVersion });
    const theirs = await other.put("/trips/t/days/2025-03-01", { notes: "else", expectedVersion: 0 });
    expectError(theirs, "VERSION_CONFLICT");
    expect((await eve.get("/trips/t/days")).json.days).toHaveLength(1);
  });

  test("of no trip are 404, and of no date 400", async () => {
    await ada.post("/trips", trip("dated"));
    for (const path of ["/trips/none/days", "/trips/none/days/2025-03-01", "/trips/dated/days/2025-03-01"])
      expectError(await ada.get(path), "NOT_FOUND");
    expectError(await ada.put("/trips/none/days/2025-03-01", { notes: "x" }), "NOT_FOUND");
    for (const date of ["2025-02-30", "tomorrow", "2025-3-1", "2025-03-01T00:00:00Z"]) {
      expectError(await ada.get(`/trips/dated/days/${date}`), "VALIDATION_ERROR");
      expectError(await ada.put(`/trips/dated/days/${date}`, { notes: "x" }), "VALIDATION_ERROR");
    }
    await ada.put("/trips/dated/days/2025-03-01", { notes: "x" });
    await ada.remove("/trips/dated");
    expectError(await ada.get("/trips/dated/days"), "NOT_FOUND");
  });
});
