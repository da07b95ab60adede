import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { defaultSettings } from "../../src/journal/settings.ts";
import { newDevice, startSyncServer, twoDevices } from "../support/sync-client.ts";
import { cipher, minute } from "../support/sync-entities.ts";
import type { TestServer } from "../support/test-server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startSyncServer();
});
afterAll(() => server.stop());

const units = (distanceUnit: string) => ({ unitPreferences: { distanceUnit } });
const theme = (name: string) => ({ appearanceSettings: { theme: name } });
const at = (minutes: number) => ({ serverVersion: 0, lastModified: minute(minutes) });

describe("by delta", () => {
  test("groups of two devices do not disturb each other, and both end with the whole", async () => {
    const [first, second] = await twoDevices(server);
    await first.sync({ settings: { ...units("MILES"), ...at(5) } });
    expect((await second.sync({ settings: { ...theme("DARK"), ...at(1) } })).accepted.settings).toEqual([
      "settings",
    ]);
    const whole = {
      unitPreferences: { ...defaultSettings.unitPreferences, distanceUnit: "MILES" },
      appearanceSettings: { ...defaultSettings.appearanceSettings, theme: "DARK" },
    };
    for (const device of [first, second])
      expect((await device.sync()).remoteChanges.settings).toMatchObject(whole);
    expect(await first.call("GET", "/settings")).toMatchObject(whole);
    expect(await first.conflicts()).toEqual([]);
  });

  test("a part of a group leaves the rest, and comes back whole", async () => {
    const [device] = await twoDevices(server);
    await device.sync({ settings: { ...theme("DARK"), ...at(1) } });
    expect((await device.sync()).remoteChanges.settings.appearanceSettings).toEqual({
      ...defaultSettings.appearanceSettings,
      theme: "DARK",
    });
  });

  test("whoever sends all that there is, is not sent it back", async () => {
    const [device] = await twoDevices(server);
    await device.sync({
      settings: {
        ...defaultSettings,
        ...theme("DARK"),
        appearanceSettings: { ...defaultSettings.appearanceSettings, theme: "DARK" },
        ...at(1),
      },
    });
    expect((await device.sync()).remoteChanges.settings).toBeNull();
    expect(await device.counter()).toBe(1);
  });

  test("the later writer of a group wins whoever comes first, and the winner comes back", async () => {
    const [first, second] = await twoDevices(server);
    await first.sync({ settings: { ...units("MILES"), ...at(9) } });
    const lost = await second.sync({ settings: { ...units("LEAGUES"), ...theme("DARK"), ...at(5) } });
    expect(lost.accepted.settings).toEqual(["settings"]);
    expect(lost.remoteChanges.settings).toMatchObject({ ...units("MILES"), ...theme("DARK") });
    const won = await second.sync({ settings: { ...units("LEAGUES"), ...at(10), serverVersion: 0 } });
    expect(won.accepted.settings).toEqual(["settings"]);
    expect((await first.sync()).remoteChanges.settings).toMatchObject(units("LEAGUES"));
  });

  test("one that knew of the last change wins whatever its clock says", async () => {
    const [first, second] = await twoDevices(server);
    await first.sync({ settings: { ...units("MILES"), ...at(9) } });
    await second.sync();
    await second.sync({
      settings: { ...units("LEAGUES"), serverVersion: second.cursor, lastModified: minute(1) },
    });
    expect(await first.call("GET", "/settings")).toMatchObject(units("LEAGUES"));
    expect(await first.conflicts()).toEqual([]);
  });

  test("conflicts never hold settings: today's app would not know what to do", async () => {
    const [first, second] = await twoDevices(server);
    await first.sync({ settings: { ...units("MILES"), ...at(9) } });
    expect((await second.sync({ settings: { ...units("LEAGUES"), ...at(5) } })).conflicts).toEqual([]);
  });

  test("what is wrong in them is rejected alone", async () => {
    const device = await newDevice(server);
    const answer = await device.sync({
      settings: { trackingPreferences: { minimumDistance: -4 }, ...at(1) },
    });
    expect(answer.rejected.settings).toMatchObject([
      { reason: "INVALID", message: expect.stringContaining("minimumDistance") },
    ]);
    expect(await device.counter()).toBe(0);
  });

  test("words that nobody knows are kept, fractions rounded down, what is internal never shown", async () => {
    const device = await newDevice(server);
    await device.sync({
      settings: { ...units("PARASANG"), trackingPreferences: { minimumDistance: 12.7 }, ...at(1) },
    });
    const shown = await device.call("GET", "/settings");
    expect(shown).toMatchObject({ ...units("PARASANG"), trackingPreferences: { minimumDistance: 12 } });
    expect(shown).not.toContainKey("groupStamps");
    expect(JSON.stringify(await (await device.another()).sync())).not.toContain("groupStamps");
  });
});

describe("an envelope of settings", () => {
  const sealed = { encryptedData: cipher("settings"), encryptionVersion: 1 };

  test("is given to encrypted devices only, and replaced by a later device in clear", async () => {
    const [first, second] = await twoDevices(server);
    await first.sync({ settings: { ...sealed, ...at(1) } }, { isEncrypted: true });
    expect(
      (await (await first.another()).sync({}, { isEncrypted: true })).remoteChanges.settings,
    ).toMatchObject(sealed);
    expect((await second.sync()).remoteChanges.settings).toBeNull();
    const answer = await second.sync({ settings: { ...theme("DARK"), ...at(5) } });
    expect(answer.accepted.settings).toEqual(["settings"]);
    expect(await first.call("GET", "/settings")).toMatchObject({ ...theme("DARK"), ...units("METRIC") });
  });

  test("clear settings of a device in encrypted mode are taken as such", async () => {
    const device = await newDevice(server);
    await device.sync({ settings: { ...theme("DARK"), ...at(1) } }, { isEncrypted: true });
    expect(await device.call("GET", "/settings")).toMatchObject(theme("DARK"));
  });
});

describe("by REST", () => {
  test("before the first PUT the apps' defaults are there", async () => {
    const device = await newDevice(server);
    expect(await device.call("GET", "/settings")).toEqual({
      ...defaultSettings,
      serverVersion: 0,
      lastModified: "1970-01-01T00:00:00.000Z",
    });
  });

  test("a PUT of a part leaves the rest", async () => {
    const device = await newDevice(server);
    const { serverVersion } = await device.call("PUT", "/settings", {
      expectedVersion: 0,
      ...units("MILES"),
    });
    await device.call("PUT", "/settings", {
      expectedVersion: serverVersion,
      ...theme("DARK"),
      unitPreferences: null,
    });
    expect(await device.call("GET", "/settings")).toMatchObject({ ...units("MILES"), ...theme("DARK") });
  });

  test("a stale PUT of a group that moved is 409, and nothing of it is written", async () => {
    const [first, second] = await twoDevices(server);
    await first.call("PUT", "/settings", { expectedVersion: 0, ...units("MILES") });
    const { status, json } = await second.request("PUT", "/settings", {
      expectedVersion: 0,
      ...units("LEAGUES"),
      ...theme("DARK"),
    });
    expect([status, json.error, json.currentVersion, json.expectedVersion]).toEqual([
      409,
      "VERSION_CONFLICT",
      1,
      0,
    ]);
    expect(await first.call("GET", "/settings")).toMatchObject({ ...units("MILES"), ...theme("AUTO") });
  });

  test("without expectedVersion it is 400", async () => {
    const device = await newDevice(server);
    expect((await device.request("PUT", "/settings", units("MILES"))).status).toBe(400);
  });

  test("a PUT reaches phones", async () => {
    const [first, second] = await twoDevices(server);
    await first.call("PUT", "/settings", { expectedVersion: 0, ...units("MILES") });
    expect((await second.sync()).remoteChanges.settings).toMatchObject(units("MILES"));
  });
});
