import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { instantHasher } from "../accounts/people.ts";
import { expectError } from "../http/error-shape.ts";
import { startTestServer, type TestServer } from "../support/test-server.ts";
import { idsOf, instant, newWriter, type Writer } from "./writer.ts";

let server: TestServer;
let ada: Writer;
beforeAll(async () => {
  server = await startTestServer({}, { hasher: instantHasher });
  ada = await newWriter(server);
});
afterAll(() => server.stop());

const visit = (id: string, more: object = {}) => ({
  id,
  location: { latitude: 47.5, longitude: 8.5 },
  placeName: null,
  category: "FOOD",
  arrivalTime: instant("03-01"),
  confidence: 1,
  ...more,
});

describe("by filter", () => {
  beforeAll(async () => {
    for (const [id, more] of [
      ["lunch", { arrivalTime: instant("03-01", "12:00"), isFavorite: true }],
      ["work", { arrivalTime: instant("03-01", "14:00"), category: "WORK" }],
      ["dinner", { arrivalTime: instant("03-02", "19:00") }],
      ["odd", { arrivalTime: instant("03-03"), category: "Ça & là", isFavorite: true }],
    ] as const)
      expect((await ada.post("/place-visits", visit(id, more))).status).toBe(201);
  });

  test.each([
    ["", ["odd", "dinner", "work", "lunch"]],
    ["category=FOOD", ["dinner", "lunch"]],
    ["category=food", []],
    [`category=${encodeURIComponent("Ça & là")}`, ["odd"]],
    ["isFavorite=true", ["odd", "lunch"]],
    ["isFavorite=false", ["dinner", "work"]],
    ["startTime=2025-03-01T14:00:00Z", ["odd", "dinner", "work"]],
    ["endTime=2025-03-01T14:00:00Z", ["work", "lunch"]],
    ["startTime=2025-03-01T15:00:00%2B01:00&endTime=2025-03-02T20:00:00+01:00", ["dinner", "work"]],
    ["category=FOOD&isFavorite=true&startTime=2025-01-01T00:00:00Z", ["lunch"]],
    ["category=FOOD&limit=1&offset=1", ["lunch"]],
  ])("%s", async (query, expected) => {
    expect(idsOf(await ada.get(`/place-visits?${query}`))).toEqual(expected as string[]);
  });

  test.each([
    "isFavorite=yes",
    "isFavorite=1",
    "startTime=2025-03-01",
    "endTime=x",
    `category=${"x".repeat(65)}`,
    "category=a%00b",
  ])("%s is 400", async (query) => {
    const answer = await ada.get(`/place-visits?${query}`);
    expectError(answer, "VALIDATION_ERROR");
    expect(Object.keys(answer.json.details)).toEqual([query.split("=")[0] as string]);
  });
});

describe("what phones read", () => {
  test("is all there, empty as null, and whole minutes", async () => {
    const eve = await newWriter(server);
    await eve.post(
      "/place-visits",
      visit("v", { durationMinutes: 59.9, departureTime: instant("03-01", "11:00") }),
    );
    const { json } = await eve.get("/place-visits/v");
    expect(json).toMatchObject({
      ...visit("v"),
      address: null,
      departureTime: instant("03-01", "11:00"),
      durationMinutes: 59,
      isFavorite: false,
      notes: null,
      photos: [],
      tripId: null,
      createdBy: null,
      localVersion: null,
      deviceId: eve.deviceId,
    });
    expect(json.lastModified).toMatch(/\.\d{3}Z$/);
    expect(Number.isInteger(json.serverVersion)).toBe(true);
  });
});

describe("what cannot be is 400", () => {
  test.each([
    ["location", { location: { latitude: 90.5, longitude: 0 } }],
    ["location", { location: { latitude: 1 } }],
    ["location", { location: "47,8" }],
    ["confidence", { confidence: 1.01 }],
    ["confidence", { confidence: "1" }],
    ["category", { category: "x".repeat(65) }],
    ["durationMinutes", { durationMinutes: -1 }],
    ["durationMinutes", { durationMinutes: 3e9 }],
    ["isFavorite", { isFavorite: "true" }],
    ["photos", { photos: ["a b"] }],
    ["photos", { photos: "a" }],
    ["tripId", { tripId: "a b" }],
    ["body", { departureTime: instant("02-01") }],
  ])("%s of %p", async (field, more) => {
    const answer = await ada.post("/place-visits", visit("wrong", more));
    expectError(answer, "VALIDATION_ERROR");
    expect(Object.keys(answer.json.details)[0]).toStartWith(field);
    expectError(await ada.get("/place-visits/wrong"), "NOT_FOUND");
  });

  test("a departure before an arrival that is already there", async () => {
    const { json } = await ada.post("/place-visits", visit("early"));
    const put = { departureTime: instant("02-01"), expectedVersion: json.serverVersion };
    expectError(await ada.put("/place-visits/early", put), "VALIDATION_ERROR");
  });
});

test("the same id is two visits in two accounts", async () => {
  const [one, two] = [await newWriter(server), await newWriter(server)];
  await one.post("/place-visits", visit("same", { notes: "hers" }));
  expect((await two.post("/place-visits", visit("same", { notes: "his" }))).status).toBe(201);
  await two.remove("/place-visits/same");
  expect((await one.get("/place-visits/same")).json.notes).toBe("hers");
});
