import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { instantHasher } from "../accounts/people.ts";
import { expectError } from "../http/error-shape.ts";
import { startTestServer, type TestServer } from "../support/test-server.ts";
import { idsOf, instant, newWriter, type Writer } from "./writer.ts";

let server: TestServer;
let ada: Writer;
beforeAll(async () => {
  server = await startTestServer({}, { hasher: instantHasher });
});
afterAll(() => server.stop());

const photo = (id: string, day: string, more: object = {}) => ({ id, timestamp: instant(day), ...more });
const visit = (id: string) => ({
  id,
  location: { latitude: 47.5, longitude: 8.5 },
  category: "FOOD",
  arrivalTime: instant("03-01"),
  confidence: 1,
});
const link = (id: string, more: object = {}) => ({
  id,
  photoId: "p1",
  placeVisitId: "v1",
  attachedAt: instant("03-02"),
  caption: null,
  ...more,
});

/** A journal with three photos and two visits; photos come by delta, their bytes by another way. */
async function album(): Promise<Writer> {
  const writer = await newWriter(server);
  const exifData = { cameraModel: "X", focalLength: 4.2, aperture: null, iso: 100, shutterSpeed: "1/50" };
  const url = "content://media/1";
  const photos = [photo("p1", "03-01", { url, exifData }), photo("p2", "03-03"), photo("p3", "03-02")];
  const localChanges = { photos, placeVisits: [visit("v1"), visit("v2")] };
  const delta = { deviceId: writer.deviceId, lastSyncVersion: 0, localChanges };
  expect((await writer.post("/sync/delta", delta)).json.accepted.photos).toEqual(["p1", "p2", "p3"]);
  return writer;
}
const attach = (writer: Writer, ...attachments: object[]) =>
  writer.post("/photos/attachments", { attachments });

describe("metadata", () => {
  beforeAll(async () => {
    ada = await album();
  });

  test("is listed newest first, and never says where a picture lies on a phone", async () => {
    const answer = await ada.get("/photos");
    expect(idsOf(answer)).toEqual(["p2", "p3", "p1"]);
    expect(answer.json.pagination).toEqual({ total: 3, limit: 100, offset: 0, hasMore: false });
    expect(answer.text).not.toContain("content://");
    expect(answer.json.photos[2]).toMatchObject({
      ...photo("p1", "03-01"),
      url: null,
      thumbnailUrl: null,
      location: null,
      exifData: { cameraModel: "X", focalLength: 4.2, aperture: null, iso: 100, shutterSpeed: "1/50" },
    });
  });

  test.each([
    ["startTime=2025-03-02T10:00:00Z", ["p2", "p3"]],
    ["endTime=2025-03-02T10:00:00Z", ["p3", "p1"]],
    ["limit=1&offset=1", ["p3"]],
    ["startTime=2025-03-02T10:00:00Z&endTime=2025-03-02T10:00:00Z", ["p3"]],
  ])("%s", async (query, expected) => {
    expect(idsOf(await ada.get(`/photos?${query}`))).toEqual(expected);
  });

  test("is read and deleted one at a time", async () => {
    const eve = await album();
    expect((await eve.get("/photos/p1")).json.id).toBe("p1");
    for (const _time of [1, 2]) expect((await eve.remove("/photos/p1")).status).toBe(204);
    expectError(await eve.get("/photos/p1"), "NOT_FOUND");
    expectError(await eve.get("/photos/p1/attachments"), "NOT_FOUND");
    expectError(await eve.remove("/photos/never"), "NOT_FOUND");
    expect(idsOf(await eve.get("/photos"))).toEqual(["p2", "p3"]);
  });
});

describe("attachments", () => {
  test("are written in a list, and read from both ends", async () => {
    const eve = await album();
    const second = link("a2", { photoId: "p2", attachedAt: instant("03-01"), caption: "two" });
    const answer = await attach(eve, link("a1"), second);
    expect(answer.status).toBe(200);
    expect(answer.json.attachments).toMatchObject([
      { ...link("a1"), deleted: false, serverVersion: expect.any(Number), syncTimestamp: expect.any(String) },
      { ...second, deleted: false },
    ]);
    const ofVisit = await eve.get("/place-visits/v1/photos");
    expect(ofVisit.json.attachments).toMatchObject([second, link("a1")]);
    expect((await eve.get("/photos/p1/attachments")).json.attachments).toMatchObject([link("a1")]);
    expect((await eve.get("/place-visits/v1")).json.photos.sort()).toEqual(["p1", "p2"]);
    expect((await eve.get("/photos/p2")).json.placeVisitId).toBe("v1");
    expect((await eve.get("/place-visits/v2/photos")).json).toEqual({ attachments: [] });
  });

  test("sent again are the same again", async () => {
    const eve = await album();
    const [one, two] = [await attach(eve, link("a1")), await attach(eve, link("a1"))];
    expect(two.json.attachments[0].serverVersion).toBe(one.json.attachments[0].serverVersion);
    expect((await eve.get("/place-visits/v1/photos")).json.attachments).toHaveLength(1);
  });

  test("are deleted by their action, and say of what they were", async () => {
    const eve = await album();
    await attach(eve, link("a1"));
    const gone = await attach(eve, { id: "a1", syncAction: "DELETE" });
    expect(gone.json.attachments).toMatchObject([
      { id: "a1", photoId: "p1", placeVisitId: "v1", deleted: true },
    ]);
    expect((await eve.get("/photos/p1/attachments")).json).toEqual({ attachments: [] });
    expect((await eve.get("/place-visits/v1")).json.photos).toEqual([]);
    expect((await attach(eve, { id: "a1", syncAction: "DELETE" })).status).toBe(200);
  });

  test("one that is wrong spoils all, and each wrong one is named", async () => {
    const eve = await album();
    const answer = await attach(eve, link("a1"), link("a2", { photoId: null }), { id: "a b" });
    expectError(answer, "VALIDATION_ERROR");
    expect(Object.keys(answer.json.details)).toEqual(["attachments.1", "attachments.2"]);
    expect((await eve.get("/place-visits/v1/photos")).json).toEqual({ attachments: [] });
    expectError(await attach(eve, ...Array(1001).fill(link("a1"))), "VALIDATION_ERROR");
    expectError(await eve.post("/photos/attachments", { attachments: null }), "VALIDATION_ERROR");
  });

  test("of what never was are 404", async () => {
    expectError(await ada.get("/photos/never/attachments"), "NOT_FOUND");
    expectError(await ada.get("/place-visits/never/photos"), "NOT_FOUND");
  });
});
