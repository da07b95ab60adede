import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Device, idsOf, startSyncServer, twoDevices } from "../support/sync-client.ts";
import { attachment, location, minute, photo, tripDay, visit } from "../support/sync-entities.ts";
import type { TestServer } from "../support/test-server.ts";

/*
 * I5: a device adopts any syncVersion it is answered as its cursor, also that of /sync/status, of a settled conflict
 * and of a batch, where it is given nothing. So none may pass a change that it lacks.
 */

let server: TestServer;
beforeAll(async () => {
  server = await startSyncServer();
});
afterAll(() => server.stop());

/** What a device is given that adopts the cursor it was just told. */
async function givenAfter(device: Device, told: number): Promise<string[]> {
  device.cursor = told;
  const { remoteChanges } = await device.sync();
  return [...idsOf(remoteChanges.placeVisits), ...idsOf(remoteChanges.locations)];
}

const points = (device: Device, ids: string[]) => ({
  deviceId: device.id,
  locations: ids.map((id, index) =>
    location(id, { timestamp: minute(100 + index), latitude: device.cursor + index }),
  ),
});

describe("GET /sync/status", () => {
  test("answers a fresh device 0 and the newest version apart", async () => {
    const [writer, device] = await twoDevices(server);
    await writer.sync({ placeVisits: [visit("v1"), visit("v2")] });
    expect(await device.status()).toMatchObject({ syncVersion: 0, latestVersion: 2 });
    expect(await givenAfter(device, (await device.status()).syncVersion)).toEqual(["v1", "v2"]);
  });

  test("answers no version that was written since", async () => {
    const [writer, device] = await twoDevices(server);
    await device.sync();
    await writer.sync({ placeVisits: [visit("v1")] });
    await device.sync();
    await writer.sync({ placeVisits: [visit("v2")] });
    expect(await givenAfter(device, (await device.status()).syncVersion)).toContain("v2");
  });

  test("answers nothing that only an answer which may be lost has given", async () => {
    const [writer, device] = await twoDevices(server);
    await writer.sync({ placeVisits: [visit("v1")] });
    await device.syncAndLose();
    expect(await givenAfter(device, (await device.status()).syncVersion)).toEqual(["v1"]);
  });

  test("nor the pages of one that is not at its end", async () => {
    const [writer, device] = await twoDevices(server);
    await writer.sync({ placeVisits: [visit("v1"), visit("v2"), visit("v3")] });
    await device.sync({}, { limit: 1 });
    await device.sync({}, { limit: 1 });
    expect((await device.status()).syncVersion).toBeLessThanOrEqual(2);
    expect(await givenAfter(device, (await device.status()).syncVersion)).toContain("v3");
  });

  test("says of each device what it surely has, and what is to come", async () => {
    const [writer, device] = await twoDevices(server);
    await writer.sync({ placeVisits: [visit("v1")], locations: [location("l")] });
    await device.sync();
    await device.sync();
    await writer.sync({ placeVisits: [visit("v2")] });
    const status = await device.status();
    const seen = status.deviceSyncInfo.find(({ deviceId }: { deviceId: string }) => deviceId === device.id);
    expect(seen.syncVersion).toBe(2);
    expect(status.pendingChanges).toMatchObject({ locations: 0, placeVisits: 1, trips: 0, photos: 0 });
  });
});

describe("POST /locations/batch", () => {
  test("own changes advance a device that has everything", async () => {
    const [writer, device] = await twoDevices(server);
    await writer.sync({ placeVisits: [visit("v1")] });
    await device.sync();
    await device.sync();
    const { syncVersion } = await device.call("POST", "/locations/batch", points(device, ["l1", "l2"]));
    expect(syncVersion).toBe(3);
    expect(await givenAfter(device, syncVersion)).toEqual([]);
  });

  test("own changes do not carry a device over those of others", async () => {
    const [writer, device] = await twoDevices(server);
    await device.sync();
    await writer.sync({ placeVisits: [visit("v1")] });
    const { syncVersion } = await device.call("POST", "/locations/batch", points(device, ["l1"]));
    expect(syncVersion).toBe(0);
    expect(await givenAfter(device, syncVersion)).toContain("v1");
  });

  test("nor over others that wrote in between its own", async () => {
    const [writer, device] = await twoDevices(server);
    await device.call("POST", "/locations/batch", points(device, ["l1"]));
    await writer.sync({ placeVisits: [visit("v1")] });
    const { syncVersion } = await device.call("POST", "/locations/batch", points(device, ["l2"]));
    expect(await givenAfter(device, syncVersion)).toContain("v1");
  });

  test("nor while a remote side is held back or owed", async () => {
    const [writer, device] = await twoDevices(server);
    await writer.sync({ placeVisits: [visit("v")] });
    await device.sync({ placeVisits: [visit("v", { notes: "mine", lastModified: minute(9) })] });
    await device.sync({ placeVisits: [visit("v", { notes: "mine", lastModified: minute(9) })] });
    const before = (await device.status()).syncVersion;
    const { syncVersion } = await device.call("POST", "/locations/batch", points(device, ["l1"]));
    expect(syncVersion).toBe(before);
  });
});

describe("other writes", () => {
  test("a delta that writes moves status on when the device had everything, and only then", async () => {
    const [writer, device] = await twoDevices(server);
    await device.sync({ locations: [location("l1")] });
    expect((await device.status()).syncVersion).toBe(1);
    await writer.sync({ placeVisits: [visit("v1")] });
    await device.syncAndLose({ locations: [location("l2", { latitude: 1 })] });
    expect(await givenAfter(device, (await device.status()).syncVersion)).toContain("v1");
  });

  test("a write that changes what others made gives that to the writer, too", async () => {
    const [writer, device] = await twoDevices(server);
    await writer.sync({ placeVisits: [visit("v")], photos: [photo("p")] });
    await device.sync();
    await device.sync();
    await device.call("POST", "/photos/attachments", { attachments: [attachment("a", "p", "v")] });
    device.cursor = (await device.status()).syncVersion;
    expect((await device.sync()).remoteChanges.placeVisits).toMatchObject([{ id: "v", photos: ["p"] }]);
  });

  test("an entity that others linked something to is given to who wrote it by REST", async () => {
    const [writer, device] = await twoDevices(server);
    await writer.sync({ photos: [photo("p")], photoAttachments: [attachment("a", "p", "v")] });
    await device.sync();
    await device.sync();
    await device.call("POST", "/place-visits", visit("v"));
    device.cursor = (await device.status()).syncVersion;
    expect((await device.sync()).remoteChanges.placeVisits).toMatchObject([{ id: "v", photos: ["p"] }]);
  });

  test("a day written by REST moves a device on that has everything", async () => {
    const [, device] = await twoDevices(server);
    await device.call("POST", "/trips", { ...tripOf("t") });
    await device.call("PUT", "/trips/t/days/2025-04-01", { notes: "x" });
    device.cursor = (await device.status()).syncVersion;
    expect((await device.sync({ tripDays: [tripDay("d", "t", "2025-04-02")] })).syncVersion).toBe(3);
  });
});

const tripOf = (id: string) => ({ id, name: "Alps", startDate: minute(0), endDate: minute(1) });

describe("POST /sync/resolve-conflict", () => {
  test.each(["KEEP_LOCAL", "KEEP_REMOTE", "MERGE", "MANUAL"])(
    "%s answers no version that the device lacks",
    async (resolution) => {
      const [writer, device] = await twoDevices(server);
      await writer.sync({ placeVisits: [visit("v")] });
      const { conflicts } = await device.sync({
        placeVisits: [visit("v", { notes: "mine", lastModified: minute(9) })],
      });
      await writer.sync({ placeVisits: [visit("later")] });
      const { status, json } = await device.resolve(conflicts[0].conflictId, resolution, { notes: "both" });
      expect(status).toBe(200);
      expect(await givenAfter(device, json.syncVersion)).toContain("later");
      expect(json.acceptedEntity.id).toBe("v");
    },
  );

  test("its writer is told the version of the entity, and no cursor up to there", async () => {
    const [writer, device] = await twoDevices(server);
    await writer.sync({ placeVisits: [visit("v"), visit("w")] });
    const { conflicts } = await device.syncAndLose({
      placeVisits: [visit("v", { notes: "mine", lastModified: minute(9) })],
    });
    const { json } = await device.resolve(conflicts[0].conflictId, "KEEP_LOCAL");
    expect(json.acceptedEntity.serverVersion).toBe(await device.counter());
    expect(json.syncVersion).toBe(0);
    expect(await givenAfter(device, json.syncVersion)).toContain("w");
  });
});
