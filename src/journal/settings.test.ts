import { describe, expect, test } from "bun:test";
import type { Change } from "../sync/change.ts";
import type { Case, Decision, Stored } from "../sync/decide.ts";
import type { Content } from "../sync/entity.ts";
import { decideSettings, defaultSettings, settings } from "./settings.ts";

const me = "22222222-2222-4222-8222-222222222222";
const other = "11111111-1111-4111-8111-111111111111";
const at = (minutes: number) => new Date(Date.UTC(2025, 0, 1, 0, minutes)).toISOString();

const imperial = { ...defaultSettings.unitPreferences, distanceUnit: "IMPERIAL" };
const stampOf = (deviceId: string, minutes: number, version = 5) => ({
  deviceId,
  lastModified: at(minutes),
  version,
});

/** Another device set the units to imperial at minute 10 and version 5. */
function stored(
  stamps: Content = { unitPreferences: stampOf(other, 10) },
  given: Partial<Stored> = {},
): Stored {
  return {
    version: 5,
    serverVersion: 5,
    deviceId: other,
    localVersion: null,
    lastModified: at(10),
    deleted: false,
    encrypted: false,
    content: { ...defaultSettings, unitPreferences: imperial, groupStamps: stamps },
    links: [],
    ...given,
  };
}

function decide(content: Content, given: Partial<Change> = {}, present: Stored | null = stored()): Decision {
  const change: Change = {
    kind: "settings",
    id: "settings",
    deleted: false,
    content,
    encrypted: false,
    base: 0,
    localVersion: null,
    lastModified: at(20),
    reading: "delta",
    strict: false,
    ...given,
  };
  const input: Case = {
    stored: present,
    change,
    merged: content,
    same: false,
    deviceId: me,
    openConflict: null,
    lastSyncVersion: null,
  };
  return decideSettings(input);
}

const metric = { unitPreferences: { ...defaultSettings.unitPreferences } };
const dark = { appearanceSettings: { theme: "DARK" } };

describe("settings, group by group", () => {
  test("the first write fills up with what the apps have by default", () => {
    const { write, ...rest } = decide(dark, {}, null);
    expect(rest).toEqual({ accepted: true, agrees: true });
    expect(write).toEqual({
      ...defaultSettings,
      appearanceSettings: { ...defaultSettings.appearanceSettings, theme: "DARK" },
      groupStamps: { appearanceSettings: stampOf(me, 20, -1) },
    });
  });

  test("what says nothing new writes nothing, whatever its time and base", () => {
    for (const lastModified of [at(1), at(20), null])
      expect(decide({ unitPreferences: imperial }, { lastModified })).toEqual({
        accepted: true,
        agrees: true,
      });
  });

  test("another group is no conflict", () => {
    const { write, ...rest } = decide(dark, { lastModified: at(1) });
    expect(rest).toEqual({ accepted: true, agrees: true });
    expect(write).toMatchObject({ unitPreferences: imperial, appearanceSettings: { theme: "DARK" } });
    expect(write?.groupStamps).toMatchObject({ unitPreferences: stampOf(other, 10) });
  });

  test("a missing or null key in a group is no news", () => {
    const { write } = decide({ unitPreferences: { temperatureUnit: "KELVIN", timeFormat: null } });
    expect(write?.unitPreferences).toEqual({ ...imperial, temperatureUnit: "KELVIN" });
  });

  test("the later writer wins the group, and the loser is kept", () => {
    expect(decide(metric)).toMatchObject({
      accepted: true,
      agrees: true,
      write: metric,
      conflict: { settled: "KEEP_LOCAL" },
    });
  });

  test("the earlier writer loses the group, and is kept", () => {
    const decision = decide(metric, { lastModified: at(5) });
    expect(decision).toMatchObject({ accepted: true, agrees: false, conflict: { settled: "KEEP_REMOTE" } });
    expect(decision.write).toBeUndefined();
  });

  test("one group is won and another lost in one change", () => {
    const decision = decide({ ...metric, ...dark }, { lastModified: at(5) });
    expect(decision).toMatchObject({ agrees: false, conflict: { settled: "KEEP_REMOTE" } });
    expect(decision.write).toMatchObject({
      unitPreferences: imperial,
      appearanceSettings: { theme: "DARK" },
    });
  });

  test("a tie goes to the greater device", () => {
    expect(decide(metric, { lastModified: at(10) }).write).toBeDefined();
    const mine = stored({ unitPreferences: stampOf("99999999-9999-4999-8999-999999999999", 10) });
    expect(decide(metric, { lastModified: at(10) }, mine).write).toBeUndefined();
  });

  test("whoever knew of the group's last change writes without a conflict, however old", () => {
    const decision = decide(metric, { lastModified: at(1), base: 5 });
    expect(decision).toMatchObject({ agrees: true, write: metric });
    expect(decision.conflict).toBeUndefined();
  });

  test("a base counts against the group, not against the settings as a whole", () => {
    const moved = stored({ unitPreferences: stampOf(other, 10, 3), privacySettings: stampOf(other, 30, 5) });
    expect(decide(metric, { lastModified: at(1), base: 3 }, moved).write).toMatchObject(metric);
    expect(decide(metric, { lastModified: at(1), base: 2 }, moved).write).toBeUndefined();
  });

  test("a late duplicate of this device's own change is no conflict", () => {
    const mine = stored({ unitPreferences: stampOf(me, 10) });
    expect(decide(metric, { lastModified: at(5) }, mine)).toEqual({ accepted: true, agrees: false });
    expect(decide(metric, { lastModified: at(11) }, mine).write).toMatchObject(metric);
  });

  test("a change of unknown time never takes a group over", () => {
    expect(decide(metric, { lastModified: null })).toMatchObject({ conflict: { settled: "KEEP_REMOTE" } });
  });

  test("compare-and-set is refused when a group moved, and leaves everything as it is", () => {
    const decision = decide({ ...metric, ...dark }, { strict: true, base: 4 });
    expect(decision).toMatchObject({ accepted: false, conflict: { settled: null } });
    expect(decision.write).toBeUndefined();
  });

  test("compare-and-set minds only the groups that it changes", () => {
    expect(decide(dark, { strict: true, base: 4 })).toMatchObject({ accepted: true, write: dark });
  });

  test("clear groups over an envelope are written whole", () => {
    const sealed = stored({}, { encrypted: true, content: { encryptedData: "a:b:c", encryptionVersion: 1 } });
    const decision = decide(dark, {}, sealed);
    expect(decision).toMatchObject({ accepted: true, conflict: { settled: "KEEP_LOCAL" } });
    expect(Object.keys(decision.write ?? {}).sort()).toEqual(
      [...Object.keys(defaultSettings), "groupStamps"].sort(),
    );
    expect(settings.seal?.(decision.write ?? {}, 6)?.groupStamps).toEqual({
      appearanceSettings: stampOf(me, 20, 6),
    });
    expect(decide(dark, { lastModified: at(1) }, sealed).write).toBeUndefined();
  });

  test("an envelope over clear groups is all or nothing", () => {
    const envelope = { encryptedData: "a:b:c", encryptionVersion: 1 };
    expect(decide(envelope, { encrypted: true }).write).toEqual(envelope);
    expect(decide(envelope, { encrypted: true, lastModified: at(1) }).write).toBeUndefined();
  });
});

test("sealing gives the version of the write to the groups that it changed, and to no other", () => {
  const stamps = { unitPreferences: stampOf(other, 10, 5), appearanceSettings: stampOf(me, 20, -1) };
  expect(settings.seal?.({ groupStamps: stamps }, 8)).toEqual({
    groupStamps: { unitPreferences: stampOf(other, 10, 5), appearanceSettings: stampOf(me, 20, 8) },
  });
});
