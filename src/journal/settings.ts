import { jsonb, pgTable } from "drizzle-orm/pg-core";
import { z } from "zod";
import { type Case, type Decision, decideLastWriter, isLater, laterThan } from "../sync/decide.ts";
import type { Content, Entity } from "../sync/entity.ts";
import { maybe, text, wholeNumber } from "../sync/schemas.ts";
import { syncColumns } from "../sync/sync-columns.ts";

export const settingsTable = pgTable("settings", {
  ...syncColumns(),
  trackingPreferences: jsonb("tracking_preferences"),
  privacySettings: jsonb("privacy_settings"),
  unitPreferences: jsonb("unit_preferences"),
  appearanceSettings: jsonb("appearance_settings"),
  groupStamps: jsonb("group_stamps"),
});

/** What an account has before it ever set anything. Source: the mobile apps' own defaults. */
export const defaultSettings = {
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
} as const;

type Group = keyof typeof defaultSettings;
const groups = Object.keys(defaultSettings) as Group[];

/** Version, time and device of a group's last change. */
interface Stamp {
  readonly version: number;
  readonly lastModified: string;
  readonly deviceId: string | null;
}
type Stamps = Partial<Record<Group, Stamp>>;
/** Stands for the version of a change that is not written yet; no real one is negative. */
const unsealed = -1;

const word = maybe(text(64));
const flag = maybe(z.boolean("must be true or false"));
const count = maybe(wholeNumber);
/** A group may come in part; a missing or null key is no news. */
const group = (shape: z.ZodRawShape) => maybe(z.object(shape, "must be an object"));

const schema = z.object({
  trackingPreferences: group({
    accuracy: word,
    updateInterval: word,
    batteryOptimization: flag,
    trackWhenStationary: flag,
    minimumDistance: count,
  }),
  privacySettings: group({
    dataRetentionDays: count,
    allowAnonymousAnalytics: flag,
    shareLocation: flag,
    requireAuthentication: flag,
    autoBackup: flag,
  }),
  unitPreferences: group({
    distanceUnit: word,
    temperatureUnit: word,
    timeFormat: word,
    firstDayOfWeek: word,
  }),
  appearanceSettings: group({ theme: word, accentColor: word, mapStyle: word, enableAnimations: flag }),
});

/** The group as it would be, or null when nothing in it is news. */
function mergedGroup(given: unknown, present: Content): Content | null {
  const said = Object.entries((given ?? {}) as Content).filter(
    ([key, value]) => value !== null && value !== present[key],
  );
  return said.length === 0 ? null : { ...present, ...Object.fromEntries(said) };
}

type Verdict = "same" | "knowing" | "later" | "lost" | "late";

/** Whether the change may replace a group: it knew of its last change, made it itself, or came later. */
function judge({ change, deviceId, stored }: Case, stamp: Stamp | undefined): Verdict {
  if (!stored || !stamp || (change.base !== null && change.base >= stamp.version)) return "knowing";
  if (change.strict || change.lastModified === null) return "lost";
  // Settings carry no localVersion: a late duplicate of this device's own is known by its time.
  if (stamp.deviceId === deviceId) return change.lastModified >= stamp.lastModified ? "knowing" : "late";
  return isLater(change.lastModified, deviceId, stamp.lastModified, stamp.deviceId) ? "later" : "lost";
}

const wins = (verdict: Verdict) => verdict === "knowing" || verdict === "later";

function conclude(verdicts: readonly Verdict[], { stored, change }: Case, write: Content): Decision {
  const lost = verdicts.includes("lost");
  const type = "CONCURRENT_MODIFICATION";
  if (lost && change.strict) {
    return { accepted: false, agrees: false, conflict: { type, suggestion: "KEEP_REMOTE", settled: null } };
  }
  const settled = lost ? "KEEP_REMOTE" : verdicts.includes("later") ? "KEEP_LOCAL" : null;
  return {
    accepted: true,
    agrees: !lost && !verdicts.includes("late"),
    ...((verdicts.some(wins) || !stored) && { write }),
    ...(settled && { conflict: { type, suggestion: settled, settled } }),
  };
}

/**
 * Settings are decided group by group: the last writer wins, by the phones' clocks, ties by device id. Whatever
 * loses is kept as a settled conflict. Envelopes cannot be looked into: with one on either side it is all or nothing.
 */
export function decideSettings(input: Case): Decision {
  const { stored, change, deviceId } = input;
  if (change.encrypted || stored?.encrypted) {
    const decision = decideLastWriter(input);
    // Clear groups in place of an envelope: what they leave out is as it was before anything was set.
    return change.encrypted || !decision.write
      ? decision
      : { ...decision, ...decideSettings({ ...input, stored: null }) };
  }
  const present = (stored?.content ?? { ...defaultSettings, groupStamps: {} }) as Record<string, Content>;
  const stamps = { ...present.groupStamps } as Stamps;
  const write: Content = { ...present };
  const verdicts = groups.map((name): Verdict => {
    const merged = mergedGroup(change.content?.[name], present[name] ?? defaultSettings[name]);
    const verdict = merged ? judge(input, stamps[name]) : "same";
    if (wins(verdict)) {
      write[name] = merged;
      const lastModified = change.lastModified ?? new Date().toISOString();
      const replaced = stamps[name]?.lastModified;
      stamps[name] = {
        version: unsealed,
        lastModified: replaced ? laterThan(replaced, lastModified) : lastModified,
        deviceId,
      };
    }
    return verdict;
  });
  return conclude(verdicts, input, { ...write, groupStamps: stamps });
}

/** Gives the groups that this write changed the version that the write was given. */
function seal(content: Content, version: number): Content {
  const stamps = Object.entries(content.groupStamps as Stamps);
  const sealed = stamps.map(([name, stamp]) => [
    name,
    stamp.version === unsealed ? { ...stamp, version } : stamp,
  ]);
  return { ...content, groupStamps: Object.fromEntries(sealed) };
}

/** How the app behaves for a person, the same on all of their devices. One entity an account. */
export const settings: Entity = {
  kind: "settings",
  type: "SETTINGS",
  table: settingsTable,
  fixedId: "settings",
  schema,
  fields: {
    trackingPreferences: settingsTable.trackingPreferences,
    privacySettings: settingsTable.privacySettings,
    unitPreferences: settingsTable.unitPreferences,
    appearanceSettings: settingsTable.appearanceSettings,
    groupStamps: settingsTable.groupStamps,
  },
  internal: ["groupStamps"],
  unknownToPhones: groups,
  decide: decideSettings,
  seal,
};
