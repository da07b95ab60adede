import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { instantHasher, login } from "../accounts/people.ts";
import { expectError } from "../http/error-shape.ts";
import { startTestServer, type TestServer } from "../support/test-server.ts";
import { newWriter, type Writer, writerFor } from "./writer.ts";

let server: TestServer;
let ada: Writer;
beforeAll(async () => {
  server = await startTestServer({}, { hasher: instantHasher });
});
beforeEach(async () => {
  ada = await newWriter(server);
});
afterAll(() => server.stop());

const defaults = {
  trackingPreferences: {
    accuracy: "BALANCED",
    updateInterval: "NORMAL",
    batteryOptimization: true,
    trackWhenStationary: false,
    minimumDistance: 10,
  },
  privacySettings: {
    dataRetentionDays: 365,
    allowAnonymousAnalytics: true,
    shareLocation: false,
    requireAuthentication: true,
    autoBackup: true,
  },
  unitPreferences: {
    distanceUnit: "METRIC",
    temperatureUnit: "CELSIUS",
    timeFormat: "24_HOUR",
    firstDayOfWeek: "MONDAY",
  },
  appearanceSettings: { theme: "AUTO", accentColor: "#2196F3", mapStyle: "STANDARD", enableAnimations: true },
};
const read = async (writer = ada) => (await writer.get("/settings")).json;

describe("settings", () => {
  test("are the apps' defaults until they are set", async () => {
    expect(await read()).toMatchObject({ ...defaults, serverVersion: 0 });
  });

  test("a part of a group is set, and all the rest stays", async () => {
    const put = { privacySettings: { dataRetentionDays: 30 }, unitPreferences: null, expectedVersion: 0 };
    const answer = await ada.put("/settings", put);
    expect(answer.status).toBe(200);
    expect(answer.json).toEqual({
      serverVersion: expect.any(Number),
      syncTimestamp: expect.stringMatching(/Z$/),
    });
    const now = await read();
    expect(now).toMatchObject({
      ...defaults,
      privacySettings: { ...defaults.privacySettings, dataRetentionDays: 30 },
      serverVersion: answer.json.serverVersion,
    });
    expect(now.lastModified).toMatch(/\.\d{3}Z$/);
    expect(now).not.toHaveProperty("groupStamps");
  });

  test("nulls within a group are no news, and unknown words are kept", async () => {
    const trackingPreferences = { accuracy: "ULTRA", updateInterval: null, minimumDistance: 12.9 };
    await ada.put("/settings", { trackingPreferences, expectedVersion: 0 });
    expect((await read()).trackingPreferences).toEqual({
      ...defaults.trackingPreferences,
      accuracy: "ULTRA",
      minimumDistance: 12,
    });
  });

  test("the whole of what was read can be sent back", async () => {
    const { serverVersion, ...whole } = await read();
    expect((await ada.put("/settings", { ...whole, expectedVersion: serverVersion })).status).toBe(200);
    expect(await read()).toMatchObject(defaults);
  });

  test("a stale version is 409, with numbers, and changes nothing", async () => {
    const other = writerFor(server, await login(server, ada));
    const { json } = await other.put("/settings", {
      unitPreferences: { timeFormat: "12_HOUR" },
      expectedVersion: 0,
    });
    const late = await ada.put("/settings", { unitPreferences: { timeFormat: "NONE" }, expectedVersion: 0 });
    expectError(late, "VERSION_CONFLICT");
    expect(late.json).toMatchObject({ currentVersion: json.serverVersion, expectedVersion: 0 });
    expect((await read()).unitPreferences.timeFormat).toBe("12_HOUR");
    const put = { unitPreferences: { timeFormat: "NONE" }, expectedVersion: json.serverVersion };
    expect((await ada.put("/settings", put)).status).toBe(200);
    expect((await read(other)).unitPreferences.timeFormat).toBe("NONE");
  });

  test("sent again they are the same again", async () => {
    const put = { appearanceSettings: { theme: "DARK" }, expectedVersion: 0 };
    const [one, two] = [await ada.put("/settings", put), await ada.put("/settings", put)];
    expect([two.status, two.json.serverVersion]).toEqual([200, one.json.serverVersion]);
  });

  test.each([
    ["expectedVersion", {}],
    ["expectedVersion", { expectedVersion: null }],
    ["trackingPreferences", { trackingPreferences: "fast", expectedVersion: 0 }],
    [
      "trackingPreferences.batteryOptimization",
      { trackingPreferences: { batteryOptimization: "yes" }, expectedVersion: 0 },
    ],
    ["privacySettings.dataRetentionDays", { privacySettings: { dataRetentionDays: -1 }, expectedVersion: 0 }],
    ["appearanceSettings.theme", { appearanceSettings: { theme: "x".repeat(65) }, expectedVersion: 0 }],
  ])("a wrong %s is 400", async (field, body) => {
    const answer = await ada.put("/settings", body);
    expectError(answer, "VALIDATION_ERROR");
    expect(Object.keys(answer.json.details)).toEqual([field]);
    expect(await read()).toMatchObject({ ...defaults, serverVersion: 0 });
  });
});
