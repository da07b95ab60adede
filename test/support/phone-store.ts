import { type Content, canonical, KINDS, type Kind, type View } from "./phone-content.ts";

/** One entity on the phone, with the app's own bookkeeping. */
export interface Row {
  content: Content;
  /** Raised by every edit on this phone. */
  localVersion: number;
  /** The `syncVersion` of the answer that accepted it, or the version it was sent with; null while unknown. */
  serverVersion: number | null;
  lastModified: string;
  /** Still to be sent, or to be sent again. */
  dirty: boolean;
  /** Deleted by the person, the server has not accepted it yet. */
  deleted: boolean;
  /** It was in a request once, so the server may know it although no answer said so. */
  attempted: boolean;
  /** Answered as INVALID: not sent again until it is edited. */
  refused: boolean;
}

/** Everything a phone holds, by kind and id. */
export type Snapshot = Record<Kind, Record<string, Record<string, unknown>>> & { settings: unknown };

export type SettingsContent = Record<string, Record<string, unknown>>;

/** What the app shows, and sends, before anybody changed anything. */
export const DEFAULT_SETTINGS: SettingsContent = {
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

export interface SettingsRow {
  groups: SettingsContent;
  localVersion: number;
  serverVersion: number;
  lastModified: string;
  dirty: boolean;
}

/** The phone's database: its rows and its cursor. */
export class PhoneStore {
  readonly rows: Record<Kind, Map<string, Row>>;
  settings: SettingsRow | null = null;
  cursor = 0;
  epoch: string | null = null;
  /** Rows held when the server asked for a resync and not yet seen in its answers; null outside of one. */
  #unseen: Set<string> | null = null;
  /** Counts what changed the content, so that a caller can tell a quiet round from a busy one. */
  revision = 0;

  constructor() {
    this.rows = Object.fromEntries(KINDS.map((kind) => [kind, new Map()])) as Record<Kind, Map<string, Row>>;
  }

  get(kind: Kind, id: string): Row | undefined {
    return this.rows[kind].get(id);
  }

  /** Writes what the person entered: a new row or a new state of an existing one. */
  enter(kind: Kind, content: Content, lastModified: string): void {
    const row = this.get(kind, content.id);
    this.rows[kind].set(content.id, {
      content,
      localVersion: (row?.localVersion ?? 0) + 1,
      serverVersion: row?.serverVersion ?? null,
      lastModified,
      dirty: true,
      deleted: false,
      attempted: row?.attempted ?? false,
      refused: false,
    });
    this.revision++;
  }

  /** Marks a deletion to be sent; what the server cannot know of is simply gone. */
  markDeleted(kind: Kind, id: string, lastModified: string): void {
    const row = this.get(kind, id);
    if (!row) return;
    this.revision++;
    if (row.serverVersion === null && !row.attempted) {
      this.rows[kind].delete(id);
      return;
    }
    Object.assign(row, { deleted: true, dirty: true, refused: false, lastModified });
    row.localVersion++;
  }

  /** Overwrites a row by the server's, whatever the person was doing with it. */
  adopt(
    kind: Kind,
    content: Content,
    remote: Pick<Row, "serverVersion" | "lastModified" | "localVersion">,
  ): void {
    const row = this.get(kind, content.id);
    const changes =
      !row || row.deleted || row.dirty || JSON.stringify(row.content) !== JSON.stringify(content);
    this.rows[kind].set(content.id, {
      ...remote,
      content,
      localVersion: Math.max(row?.localVersion ?? 0, remote.localVersion),
      dirty: false,
      deleted: false,
      attempted: true,
      refused: false,
    });
    if (changes) this.revision++;
  }

  /** The server was restored: everything comes anew, and what does not come is offered again afterwards. */
  beginResync(): void {
    const keys = KINDS.flatMap((kind) => [...this.rows[kind].keys()].map((id) => `${kind}/${id}`));
    this.#unseen = new Set(keys);
  }

  /** True for a row that is newer here than on the restored server; any other is counted as seen. */
  isNewerDuringResync(kind: Kind, id: string, remoteVersion: number): boolean {
    if (!this.#unseen) return false;
    const newer = (this.get(kind, id)?.serverVersion ?? 0) > remoteVersion;
    if (!newer) this.#unseen.delete(`${kind}/${id}`);
    return newer;
  }

  /** The same for the settings, which go by time; newer ones are offered again. */
  isNewerSettingDuringResync(remoteModified: string): boolean {
    if (!this.#unseen || !this.settings || this.settings.lastModified <= remoteModified) return false;
    this.settings.dirty = true;
    return true;
  }

  endResync(): void {
    for (const kind of KINDS) {
      for (const [id, row] of this.rows[kind]) if (this.#unseen?.has(`${kind}/${id}`)) row.dirty = true;
    }
    this.#unseen = null;
  }

  drop(kind: Kind, id: string): void {
    if (this.rows[kind].delete(id)) this.revision++;
  }

  /** What has to go into the next delta. */
  pending(kind: Kind): Row[] {
    return [...this.rows[kind].values()].filter((row) => row.dirty && !row.refused);
  }

  hasPending(): boolean {
    return this.settings?.dirty === true || KINDS.some((kind) => this.pending(kind).length > 0);
  }

  /** What a person would see, in one canonical form, for comparing phones. */
  snapshot(view: View): Snapshot {
    const holds = (kind: Kind, id: string) => this.get(kind, id)?.deleted === false;
    const kinds = view === "today" ? KINDS.slice(0, 4) : KINDS;
    const snapshot = { settings: this.settings?.groups ?? null } as Snapshot;
    for (const kind of kinds) {
      const visible = [...this.rows[kind].values()].filter((row) => !row.deleted);
      visible.sort((a, b) => (a.content.id < b.content.id ? -1 : 1));
      snapshot[kind] = Object.fromEntries(
        visible.map((row) => [row.content.id, canonical(kind, row.content, view, holds)]),
      );
    }
    return snapshot;
  }
}
