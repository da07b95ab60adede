import type { PhoneCipher } from "./phone-cipher.ts";
import { KINDS, type Kind, toSeal, toWire, type View } from "./phone-content.ts";
import type { PhoneStore, Row, SettingsRow } from "./phone-store.ts";

/** What the phone is, as far as its requests and its reading of answers depend on it. */
export interface PhoneSelf {
  deviceId: string;
  view: View;
  cipher: PhoneCipher | null;
  pagesLimit: number | null;
}

export interface DeltaRequest {
  deviceId: string;
  lastSyncVersion: number;
  isEncrypted: boolean;
  limit: number | null;
  syncEpoch?: string | null;
  localChanges: Partial<Record<Kind, Record<string, unknown>[]>> & { settings: unknown };
}

/** A delta on its way, with what the rows looked like when it was made. */
export interface Outgoing {
  request: DeltaRequest;
  sent: Record<Kind, Map<string, { localVersion: number; deleted: boolean }>>;
  settingsVersion: number | null;
}

export const noneSent = () => Object.fromEntries(KINDS.map((kind) => [kind, new Map()])) as Outgoing["sent"];

/** Builds the next delta from everything that is pending. */
export function buildDelta(store: PhoneStore, self: PhoneSelf): Outgoing {
  const sent = noneSent();
  const settings = store.settings?.dirty ? store.settings : null;
  const localChanges: DeltaRequest["localChanges"] = { settings: settings && settingsToWire(settings, self) };
  for (const kind of self.view === "today" ? KINDS.slice(0, 4) : KINDS) {
    const rows = store.pending(kind);
    for (const row of rows) {
      row.attempted = true;
      sent[kind].set(row.content.id, { localVersion: row.localVersion, deleted: row.deleted });
    }
    localChanges[kind] = rows.map((row) => rowToWire(kind, row, self));
  }
  const request: DeltaRequest = {
    deviceId: self.deviceId,
    lastSyncVersion: store.cursor,
    isEncrypted: self.cipher !== null,
    limit: self.pagesLimit,
    localChanges,
  };
  if (self.view === "new") request.syncEpoch = store.epoch;
  return { request, sent, settingsVersion: settings?.localVersion ?? null };
}

/** A row as the app sends it: always CREATE for what it has, `serverVersion` says what it edited. */
export function rowToWire(kind: Kind, row: Row, self: PhoneSelf): Record<string, unknown> {
  const bookkeeping = {
    syncAction: row.deleted ? "DELETE" : "CREATE",
    localVersion: row.localVersion,
    serverVersion: row.serverVersion,
    lastModified: row.lastModified,
  };
  if (!self.cipher) return { ...toWire(kind, row.content), ...bookkeeping, deviceId: self.deviceId };
  const seed = `${kind}/${row.content.id}/${row.localVersion}/${self.deviceId}`;
  const encryptedData = self.cipher.seal(toSeal(kind, row.content, self.view), seed);
  return { id: row.content.id, encryptedData, encryptionVersion: 1, ...bookkeeping };
}

function settingsToWire(row: SettingsRow, self: PhoneSelf): Record<string, unknown> {
  const groups = {
    trackingPreferences: null,
    privacySettings: null,
    unitPreferences: null,
    appearanceSettings: null,
    ...row.groups,
  };
  return {
    ...groups,
    syncAction: "CREATE",
    localVersion: row.localVersion,
    serverVersion: row.serverVersion,
    lastModified: row.lastModified,
    deviceId: self.deviceId,
  };
}
