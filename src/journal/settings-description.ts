import { z } from "zod";
import type { Chapter } from "../api/operation.ts";
import { later, stamp } from "../api/story.ts";
import { count, id, instant, named, uuid, version } from "../api/vocabulary.ts";
import { common } from "../sync/change.ts";
import { instant as givenInstant, version as givenVersion, maybe } from "../sync/schemas.ts";
import { defaultSettings, settings } from "./settings.ts";

const word = z.string();
const flag = z.boolean();

export const settingsAnswer = named(
  "Settings",
  z.strictObject({
    id: id.optional(),
    trackingPreferences: z.strictObject({
      accuracy: word,
      updateInterval: word,
      batteryOptimization: flag,
      trackWhenStationary: flag,
      minimumDistance: count.describe("Metres."),
    }),
    privacySettings: z.strictObject({
      dataRetentionDays: count,
      allowAnonymousAnalytics: flag,
      shareLocation: flag,
      requireAuthentication: flag,
      autoBackup: flag,
    }),
    unitPreferences: z.strictObject({
      distanceUnit: word,
      temperatureUnit: word,
      timeFormat: word,
      firstDayOfWeek: word,
    }),
    appearanceSettings: z.strictObject({
      theme: word,
      accentColor: word,
      mapStyle: word,
      enableAnimations: flag,
    }),
    localVersion: z.int().nullable().optional(),
    serverVersion: version.describe("0 before they are first written."),
    lastModified: instant,
    deviceId: uuid.nullable().optional(),
  }),
  "How the app behaves for a person, the same on all of their devices. Values are the app's words.",
);

/** Settings as a phone sends them in a delta. */
export const settingsChange = named(
  "SettingsChange",
  z.object({ ...common.omit({ id: true }).shape, ...settings.schema.shape }),
);

export const exampleSettings = {
  id: "settings",
  ...defaultSettings,
  unitPreferences: { ...defaultSettings.unitPreferences, timeFormat: "12_HOUR" },
  ...stamp(11),
};

const settingsBody = named(
  "SettingsPatch",
  z.object({
    ...settings.schema.shape,
    lastModified: maybe(givenInstant),
    expectedVersion: givenVersion.describe("The `serverVersion` that the change was made from."),
  }),
);

export const settingsChapter: Chapter = {
  tag: "Settings",
  description: "The account's one set of settings.",
  operations: {
    readSettings: {
      summary: "The settings",
      access: "account",
      answers: {
        200: {
          description: "As they stand; the app's own defaults before they are first written.",
          schema: settingsAnswer,
          examples: {
            defaults: { ...defaultSettings, serverVersion: 0, lastModified: "1970-01-01T00:00:00.000Z" },
          },
        },
      },
    },
    changeSettings: {
      summary: "Changes settings",
      description: "A group may come in part; the rest stays.",
      access: "account",
      body: {
        schema: settingsBody,
        examples: { clock: { unitPreferences: { timeFormat: "12_HOUR" }, expectedVersion: 0 } },
      },
      answers: {
        200: {
          description: "They are changed.",
          schema: named(
            "SettingsWritten",
            z.strictObject({ serverVersion: version, syncTimestamp: instant }),
          ),
          examples: { clock: { serverVersion: 8, syncTimestamp: later } },
        },
      },
      errors: ["VERSION_CONFLICT", "CONFLICT"],
    },
  },
};
