import { type Content, type Contents, completed, type Kind, toWire, type View } from "./phone-content.ts";
import { DEFAULT_SETTINGS, PhoneStore, type SettingsContent, type Snapshot } from "./phone-store.ts";

/** What a person can do on a phone without a network: everything but syncing. */
export class PhoneJournal {
  readonly store = new PhoneStore();
  readonly #clock: () => Date;
  #ticks = 0;

  constructor(
    readonly view: View,
    clock?: () => Date,
  ) {
    this.#clock = clock ?? (() => new Date());
  }

  /** Records points; they travel with the next delta or the next batch. */
  addLocations(points: Contents["locations"][]): void {
    for (const point of points) this.upsert("locations", point);
  }

  /** Enters an entity, or a whole new state of it. */
  upsert<K extends Kind>(kind: K, content: Contents[K]): void {
    this.store.enter(kind, completed(kind, content as Content & Contents[K], this.view), this.now());
  }

  /** Changes some fields of what the phone holds; false when it does not hold it (any more). */
  edit<K extends Kind>(kind: K, id: string, patch: Partial<Contents[K]>): boolean {
    const row = this.store.get(kind, id);
    if (!row || row.deleted) return false;
    this.upsert(kind, { ...row.content, ...patch } as unknown as Contents[K]);
    return true;
  }

  delete(kind: Kind, id: string): void {
    this.store.markDeleted(kind, id, this.now());
  }

  /** Takes back a deletion that is still pending. */
  undelete(kind: Kind, id: string): void {
    const row = this.store.get(kind, id);
    if (row?.deleted) this.store.enter(kind, row.content, this.now());
  }

  /** Sets whole groups of settings; the app sends all of them, the untouched ones with their defaults. */
  changeSettings(groups: SettingsContent): void {
    const mine = this.store.settings;
    this.store.settings = {
      groups: { ...DEFAULT_SETTINGS, ...mine?.groups, ...groups },
      localVersion: (mine?.localVersion ?? 0) + 1,
      serverVersion: mine?.serverVersion ?? 0,
      lastModified: this.now(),
      dirty: true,
    };
    this.store.revision++;
  }

  /** The ids of what the phone shows of one kind. */
  ids(kind: Kind): string[] {
    return [...this.store.rows[kind]].filter(([, row]) => !row.deleted).map(([id]) => id);
  }

  /** The entity as it would travel in the clear, or undefined when the phone does not hold it. */
  find<K extends Kind>(kind: K, id: string): Contents[K] | undefined {
    const row = this.store.get(kind, id);
    return row && !row.deleted ? (toWire(kind, row.content) as unknown as Contents[K]) : undefined;
  }

  /** Everything the phone holds in canonical form; `view` narrows it to what another app knows, too. */
  snapshot(view: View = this.view): Snapshot {
    return this.store.snapshot(view);
  }

  /** The phone's clock, with the microseconds that phones send. */
  now(): string {
    this.#ticks = (this.#ticks + 1) % 1000;
    const millis = this.#clock().toISOString().slice(0, -1);
    return `${millis}${String(this.#ticks).padStart(3, "0")}Z`;
  }
}
