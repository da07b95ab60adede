import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  type Device,
  idsOf,
  type Json,
  newDevice,
  startSyncServer,
  twoDevices,
} from "../support/sync-client.ts";
import { attachment, deleted, location, photo, track, trip, visit } from "../support/sync-entities.ts";
import type { TestServer } from "../support/test-server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startSyncServer();
});
afterAll(() => server.stop());

const lists = ["locations", "placeVisits", "trips", "photos", "photoAttachments", "tripDays"] as const;

const entitiesOf = ({ remoteChanges }: Json): Json[] => lists.flatMap((list) => remoteChanges[list]);
const deletedOf = ({ remoteChanges }: Json): string[] =>
  lists.flatMap((list) => remoteChanges.deletedIds[list]);

/** A journal of 40 versions, with edits, deletions and links. */
async function journal(): Promise<[Device, Device]> {
  const [first, second] = await twoDevices(server);
  await first.sync({
    locations: track(9, "l"),
    placeVisits: [visit("v1"), visit("v2"), visit("v3")],
    trips: [trip("t", { placeVisits: ["v1"] })],
    photos: [photo("p1"), photo("p2")],
    photoAttachments: [attachment("a", "p1", "v1")],
  });
  for (let n = 2; n < 8; n++)
    await first.sync({ placeVisits: [visit("v2", { notes: `${n}`, localVersion: n })] });
  await first.sync({
    placeVisits: [deleted(visit("v3", { localVersion: 2 }))],
    locations: [deleted(location("l-4"))],
  });
  return [first, second];
}

test.each([1, 2, 3, 7, 1000])(
  "pages of %d hold each change once, ascending, and all of them",
  async (limit) => {
    const [, reader] = await journal();
    const [whole] = await reader.everything();
    const pages = await reader.everything({ limit });
    let from = 0;
    for (const [index, page] of pages.entries()) {
      const entities = entitiesOf(page);
      const versions = entities.map(({ serverVersion }) => serverVersion);
      for (const version of versions) expect(version > from && version <= page.syncVersion).toBe(true);
      for (const list of lists) {
        const ascending = page.remoteChanges[list].map(({ serverVersion }: Json) => serverVersion);
        expect(ascending).toEqual(ascending.toSorted((a: number, b: number) => a - b));
      }
      expect(entities.length + deletedOf(page).length).toBeLessThanOrEqual(limit);
      expect(page.hasMore).toBe(index < pages.length - 1);
      from = page.syncVersion;
    }
    expect(idsOf(pages.flatMap(entitiesOf)).sort()).toEqual(idsOf(entitiesOf(whole)).sort());
    expect(pages.flatMap(deletedOf).sort()).toEqual(deletedOf(whole).sort());
    expect(from).toBe(whole.syncVersion);
  },
);

test("what was made and deleted within the window is in deletedIds only, and no id in both", async () => {
  const [first, second] = await twoDevices(server);
  await second.sync();
  await first.sync({ placeVisits: [visit("v"), visit("w")], locations: [location("l")] });
  await first.call("DELETE", "/place-visits/v");
  await first.call("DELETE", "/locations/l");
  const { remoteChanges } = await second.sync();
  expect([idsOf(remoteChanges.placeVisits), remoteChanges.deletedIds.placeVisits]).toEqual([["w"], ["v"]]);
  expect([remoteChanges.locations, remoteChanges.deletedIds.locations]).toEqual([[], ["l"]]);
});

test("what comes alive again is in the list only", async () => {
  const [first, second] = await twoDevices(server);
  await first.sync({ placeVisits: [visit("v")] });
  await first.call("DELETE", "/place-visits/v");
  await first.sync({ placeVisits: [visit("v", { serverVersion: 99, localVersion: 2 })] });
  const { remoteChanges } = await second.sync();
  expect([idsOf(remoteChanges.placeVisits), remoteChanges.deletedIds.placeVisits]).toEqual([["v"], []]);
});

test("a tombstone is kept for whoever comes late", async () => {
  const [first, second] = await twoDevices(server);
  await first.sync({ placeVisits: [visit("v")] });
  await second.sync();
  await first.call("DELETE", "/place-visits/v");
  for (let n = 0; n < 3; n++) await first.sync({ locations: [location(`l${n}`, { latitude: n })] });
  expect((await second.sync()).remoteChanges.deletedIds.placeVisits).toEqual(["v"]);
});

test("what is accepted in this very request is not given back, also not page by page", async () => {
  const [first, second] = await journal();
  const answer = await second.sync({ placeVisits: [visit("mine1"), visit("mine2")] }, { limit: 4 });
  const got = entitiesOf(answer);
  while (answer.hasMore && second.cursor < answer.latestVersion)
    got.push(...entitiesOf(await second.sync({}, { limit: 4 })));
  expect(answer.accepted.placeVisits).toEqual(["mine1", "mine2"]);
  expect(idsOf(entitiesOf(answer))).not.toContain("mine1");
  expect(new Set(idsOf(got)).has("v2")).toBe(true);
  expect((await first.sync()).remoteChanges.placeVisits).toHaveLength(2);
});

test("a limit above the ceiling is cut to it", async () => {
  const device = await newDevice(server);
  expect((await device.delta({ limit: 1_000_000_000 })).hasMore).toBe(false);
});

test("20,000 changes are a page when the phone does not say", async () => {
  const [first, second] = await twoDevices(server);
  await first.sync({ locations: track(20_001, "l") });
  const answer = await second.sync();
  expect([answer.remoteChanges.locations.length, answer.hasMore, answer.syncVersion]).toEqual([
    20_000,
    true,
    20_000,
  ]);
  const rest = await second.sync();
  expect([idsOf(rest.remoteChanges.locations), rest.hasMore]).toEqual([["l-20000"], false]);
});

describe("the body of a delta", () => {
  const padded = (device: Device, bytes: number) => {
    const frame = JSON.stringify({
      deviceId: device.id,
      lastSyncVersion: 0,
      localChanges: { locations: [location("l")] },
      pad: "",
    });
    return frame.replace('"pad":""', `"pad":"${"x".repeat(bytes - frame.length)}"`);
  };

  test("may have 32 MiB", async () => {
    const device = await newDevice(server);
    const answer = await device.request("POST", "/sync/delta", padded(device, 32 * 1024 * 1024));
    expect([answer.status, answer.json?.accepted.locations]).toEqual([200, ["l"]]);
  });

  test("and not a byte more", async () => {
    const device = await newDevice(server);
    const answer = await device.request("POST", "/sync/delta", padded(device, 32 * 1024 * 1024 + 1));
    expect([answer.status, answer.json.error]).toEqual([413, "PAYLOAD_TOO_LARGE"]);
    expect(await device.counter()).toBe(0);
  });
});
