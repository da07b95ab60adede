import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { codeOf } from "../../src/database/sqlstate.ts";
import { type Device, idsOf, newDevice, startSyncServer, twoDevices } from "../support/sync-client.ts";
import { attachment, location, photo, trip, tripDay, visit } from "../support/sync-entities.ts";
import type { TestServer } from "../support/test-server.ts";

/* I10: no version is ever given out twice, or below one that a device may have seen, whatever happened to the database. */

let server: TestServer;
beforeAll(async () => {
  server = await startSyncServer();
});
afterAll(() => server.stop());

const old = { placeVisits: [visit("v1"), visit("v2")] };

describe("a cursor ahead of the account", () => {
  test("gets everything, and every later version lies above it", async () => {
    const [writer, device] = await twoDevices(server);
    await writer.sync(old);
    const answer = await device.delta({ lastSyncVersion: 500 });
    expect(answer.resyncRequired).toBe(true);
    expect(idsOf(answer.remoteChanges.placeVisits)).toEqual(["v1", "v2"]);
    expect(answer.syncVersion).toBeGreaterThan(500);
    expect(await device.counter()).toBeGreaterThan(500);
    const { serverVersion } = await writer.call("POST", "/place-visits", visit("v3"));
    expect(serverVersion).toBeGreaterThan(answer.syncVersion);
  });

  test("takes what comes with it", async () => {
    const [writer, device] = await twoDevices(server);
    await writer.sync(old);
    const answer = await device.delta({
      lastSyncVersion: 500,
      localChanges: { placeVisits: [visit("v3", { serverVersion: 400 })] },
    });
    expect(answer.accepted.placeVisits).toEqual(["v3"]);
    expect(idsOf(answer.remoteChanges.placeVisits)).toEqual(["v1", "v2"]);
    expect(await device.call("GET", "/place-visits/v3")).toMatchObject({ serverVersion: answer.syncVersion });
  });

  test("that comes again after a lost answer gets everything again, although the counter has passed it", async () => {
    const [writer, device] = await twoDevices(server);
    await writer.sync(old);
    await device.delta({ lastSyncVersion: 500 });
    await writer.sync({ placeVisits: [visit("v3")] });
    for (let times = 0; times < 3; times++) {
      const answer = await device.delta({ lastSyncVersion: 500 });
      expect(answer.resyncRequired).toBe(true);
      expect(idsOf(answer.remoteChanges.placeVisits)).toEqual(["v1", "v2", "v3"]);
    }
  });

  test("ten times at once is answered each time with everything", async () => {
    const [writer, device] = await twoDevices(server);
    await writer.sync(old);
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => device.delta({ lastSyncVersion: 500 })),
    );
    for (const { remoteChanges } of answers) expect(idsOf(remoteChanges.placeVisits)).toEqual(["v1", "v2"]);
  });

  test("leads to an ordinary one: the next poll brings nothing twice", async () => {
    const [writer, device] = await twoDevices(server);
    await writer.sync(old);
    device.cursor = 500;
    await device.sync();
    const next = await device.sync();
    expect([next.resyncRequired, next.remoteChanges.placeVisits]).toEqual([false, []]);
    await writer.sync({ placeVisits: [visit("v3")] });
    expect(idsOf((await device.sync()).remoteChanges.placeVisits)).toEqual(["v3"]);
  });

  test("is brought everything page by page, and no page gives the void cursor itself", async () => {
    const [writer, device] = await twoDevices(server);
    await writer.sync({ placeVisits: Array.from({ length: 6 }, (_, n) => visit(`v${n}`)) });
    device.cursor = 500;
    const got: string[] = [];
    for (let hasMore = true; hasMore; ) {
      const page = await device.sync({}, { limit: 2 });
      expect(page.syncVersion).not.toBe(500);
      got.push(...idsOf(page.remoteChanges.placeVisits));
      ({ hasMore } = page);
    }
    expect(got).toEqual(["v0", "v1", "v2", "v3", "v4", "v5"]);
  });

  test("says nothing to the server of what the device has", async () => {
    const [writer, device] = await twoDevices(server);
    await writer.sync(old);
    await device.delta({ lastSyncVersion: 500 });
    expect((await device.status()).syncVersion).toBe(0);
  });
});

describe("another epoch", () => {
  test("gets everything from 0, again and again, until the client has taken over the new one", async () => {
    const [writer, device] = await twoDevices(server);
    await writer.sync(old);
    await device.sync();
    for (let times = 0; times < 2; times++) {
      const answer = await device.delta({ lastSyncVersion: 2, syncEpoch: crypto.randomUUID() });
      expect(answer.resyncRequired).toBe(true);
      expect(idsOf(answer.remoteChanges.placeVisits)).toEqual(["v1", "v2"]);
      device.cursor = answer.syncVersion;
    }
    const { syncEpoch } = await device.status();
    const answer = await device.sync({}, { syncEpoch });
    expect([answer.resyncRequired, answer.syncEpoch, answer.remoteChanges.placeVisits]).toEqual([
      false,
      syncEpoch,
      [],
    ]);
  });
});

describe("a base ahead of the account", () => {
  test("in a delta is taken, and lifts the counter above it", async () => {
    const device = await newDevice(server);
    await device.sync({ placeVisits: [visit("v")] });
    const other = await device.another();
    const answer = await other.sync({
      placeVisits: [visit("v", { notes: "newer", serverVersion: 300, localVersion: 2 })],
    });
    expect(answer.accepted.placeVisits).toEqual(["v"]);
    expect((await device.call("GET", "/place-visits/v")).serverVersion).toBeGreaterThan(300);
  });

  test("in a PUT, too", async () => {
    const device = await newDevice(server);
    await device.sync({ placeVisits: [visit("v")] });
    const { serverVersion } = await device.call("PUT", "/place-visits/v", {
      expectedVersion: 300,
      notes: "newer",
    });
    expect(serverVersion).toBeGreaterThan(300);
  });

  test("lifts it also where nothing new is said, once", async () => {
    const device = await newDevice(server);
    await device.sync({ placeVisits: [visit("v")] });
    for (let times = 0; times < 3; times++)
      await device.sync({ placeVisits: [visit("v", { serverVersion: 300 })] });
    expect(await device.counter()).toBe(301);
  });

  test("takes no device's own cursor along over what it lacks", async () => {
    const [writer, device] = await twoDevices(server);
    await device.sync();
    await writer.sync(old);
    await device.call("POST", "/place-visits", visit("mine"));
    await device.call("PUT", "/place-visits/mine", { expectedVersion: 300, notes: "newer" });
    device.cursor = (await device.status()).syncVersion;
    expect(idsOf((await device.sync()).remoteChanges.placeVisits)).toContain("v1");
  });
});

describe("an absurd cursor", () => {
  test.each([[-1], [0.5], [1e15 + 1], [1e16], [2 ** 53], [1e300], ["12"], [true], [[]], [{}]] as [unknown][])(
    "%p is 400",
    async (lastSyncVersion) => {
      const device = await newDevice(server);
      const answer = await device.sendDelta({
        lastSyncVersion,
        localChanges: { locations: [location("l")] },
      });
      expect([answer.status, Object.keys(answer.json.details ?? {})]).toEqual([400, ["lastSyncVersion"]]);
      expect(await device.counter()).toBe(0);
    },
  );

  test("just below that does not spoil the account for good", async () => {
    const [writer, device] = await twoDevices(server);
    await writer.sync(old);
    device.cursor = 1e15;
    for (let times = 0; times < 2; times++) await device.sync();
    await writer.sync({ placeVisits: [visit("v3")] });
    expect(idsOf((await device.sync()).remoteChanges.placeVisits)).toEqual(["v3"]);
  });
});

describe("the database refuses", () => {
  const refusal = async (statement: Promise<unknown>) =>
    codeOf(
      await statement.then(
        () => null,
        (error) => error,
      ),
    );

  async function oneOfEach(): Promise<Device> {
    const device = await newDevice(server);
    await device.sync({
      locations: [location("l")],
      placeVisits: [visit("v")],
      trips: [trip("t")],
      photos: [photo("p")],
      photoAttachments: [attachment("a", "p", "v")],
      tripDays: [tripDay("d", "t", "2025-04-01")],
      settings: { unitPreferences: { distanceUnit: "x" } },
    });
    await device.sync(
      { placeVisits: [{ id: "e", encryptedData: "a:b:c", encryptionVersion: 1 }] },
      { isEncrypted: true },
    );
    return device;
  }

  test("a counter that runs backwards", async () => {
    const device = await oneOfEach();
    const lower = device.rows(
      sql`UPDATE sync_versions SET version = version - 1 WHERE user_id = ${device.person.userId}`,
    );
    expect(await refusal(lower)).toBe("23000");
  });

  test.each([
    "location_samples",
    "place_visits",
    "trips",
    "trip_days",
    "photos",
    "photo_attachments",
    "settings",
    "encrypted_sync_data",
  ])("a change of %s whose version does not grow", async (table) => {
    const device = await oneOfEach();
    const where = sql`WHERE user_id = ${device.person.userId}`;
    const name = sql.identifier(table);
    for (const by of [0, -1])
      expect(
        await refusal(device.rows(sql`UPDATE ${name} SET server_version = server_version + ${by} ${where}`)),
      ).toBe("23000");
    expect(
      await refusal(device.rows(sql`UPDATE ${name} SET server_version = server_version + 1000 ${where}`)),
    ).toBeUndefined();
  });
});

test("versions only ever grow, whatever is done", async () => {
  const [device, other] = await twoDevices(server);
  const seen: number[] = [];
  const note = async () => {
    const counter = await device.counter();
    expect(counter).toBeGreaterThanOrEqual(seen.at(-1) ?? 0);
    seen.push(counter);
  };
  for (let n = 0; n < 5; n++) {
    await device.sync({
      placeVisits: [visit("v", { notes: `${n}`, localVersion: n + 1, serverVersion: device.cursor })],
    });
    await note();
    await other.sync({
      placeVisits: [visit("v", { notes: `other ${n}`, localVersion: n + 1, serverVersion: 0 })],
    });
    await note();
    await device.delta({ lastSyncVersion: (seen.at(-1) ?? 0) + 10 });
    await note();
    await device.request("DELETE", "/place-visits/v");
    await note();
  }
});
