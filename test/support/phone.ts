import { randomUUID } from "node:crypto";
import { applyAnswer, type OpenConflict } from "./phone-answer.ts";
import { checkDelta } from "./phone-checks.ts";
import { PhoneCipher } from "./phone-cipher.ts";
import { type Content, type Contents, completed, type Kind, toWire, type View } from "./phone-content.ts";
import { type Decision, PhonePerson } from "./phone-person.ts";
import { buildDelta, type Outgoing, type PhoneSelf } from "./phone-request.ts";
import { DEFAULT_SETTINGS, PhoneStore, type SettingsContent, type Snapshot } from "./phone-store.ts";
import { LostAnswer, type Network, PhoneTransport } from "./phone-transport.ts";
import {
  batchAnswer,
  type DeltaAnswer,
  deltaAnswer,
  encryptedDeltaAnswer,
  type KeptConflict,
  keptConflicts,
  loggedIn,
  registered,
  syncStatus,
} from "./wire.ts";

/** One delta as it went, for a test that keeps books. `answer` is null when it was lost. */
export interface Exchange {
  phone: Phone;
  outgoing: Outgoing;
  answer: DeltaAnswer | null;
  startedAt: number;
  endedAt: number;
}

export interface PhoneOptions {
  /** Where the server is, without the base path, for example `http://localhost:8080`. */
  baseUrl: string;
  /** How requests travel; the default is `fetch`. */
  network?: Network;
  name?: string;
  deviceId?: string;
  appVersion?: string;
  /** The phone's clock, which may be wrong. */
  clock?: () => Date;
  /** Ask for at most so many changes per answer. */
  pagesLimit?: number;
  /** The coming app: sends `syncEpoch`, photo attachments and trip days, and knows every field. */
  newClient?: boolean;
  /** End-to-end mode: rows travel as envelopes sealed with this passphrase. */
  passphrase?: string;
  /** What the person does with a conflict that asks for them. Default: keep their own side. */
  decide?: (conflict: OpenConflict) => Decision;
  /** Told of every delta, also of those without an answer. */
  observe?: (exchange: Exchange) => void;
  /** Milliseconds between the retries of a 5xx. */
  retryPause?: number;
}

export interface Credentials {
  email: string;
  password: string;
}

/** What one phone has done so far. */
export interface Counters {
  sent: number;
  accepted: number;
  rejected: number;
  conflicts: number;
}

/**
 * A small phone that behaves as the shipped apps do ("How the real client behaves" in the HTTP contract), and that
 * throws a ContractBreach on any answer that would break one of them.
 */
export class Phone {
  readonly name: string;
  readonly deviceId: string;
  readonly view: View;
  readonly store = new PhoneStore();
  readonly transport: PhoneTransport;
  readonly person: PhonePerson;
  readonly counters: Counters = { sent: 0, accepted: 0, rejected: 0, conflicts: 0 };
  userId: string | null = null;
  readonly #self: PhoneSelf;
  readonly #options: PhoneOptions;
  #queue: Promise<unknown> = Promise.resolve();
  #ticks = 0;

  constructor(options: PhoneOptions) {
    this.#options = options;
    this.deviceId = options.deviceId ?? randomUUID();
    this.name = options.name ?? this.deviceId.slice(0, 8);
    this.view = options.newClient ? "new" : "today";
    this.transport = new PhoneTransport({
      baseUrl: options.baseUrl,
      network: options.network ?? fetch,
      deviceId: this.deviceId,
      appVersion: options.appVersion ?? "1.0.0",
      retryPause: options.retryPause ?? 100,
    });
    this.#self = {
      deviceId: this.deviceId,
      view: this.view,
      cipher: options.passphrase === undefined ? null : new PhoneCipher(options.passphrase),
      pagesLimit: options.pagesLimit ?? null,
    };
    this.person = new PhonePerson(
      this.store,
      this.transport,
      this.#self,
      options.decide ?? (() => "keep-mine"),
    );
  }

  async register(credentials: Credentials, displayName = "Someone"): Promise<void> {
    const body = { ...credentials, displayName, deviceInfo: this.#deviceInfo() };
    this.#signIn(await this.transport.call("POST", "/auth/register", body, registered));
  }

  async login(credentials: Credentials): Promise<void> {
    const body = { ...credentials, deviceInfo: this.#deviceInfo() };
    this.#signIn(await this.transport.call("POST", "/auth/login", body, loggedIn));
  }

  async logout(): Promise<void> {
    await this.transport.send("POST", "/auth/logout", { deviceId: this.deviceId });
  }

  /** Erases the account with everything it owns. */
  async deleteAccount(password: string): Promise<void> {
    await this.transport.send("DELETE", "/user", { password });
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

  /**
   * One delta: sends what is pending, writes the answer, and lets the person decide what asks for them.
   * @throws LostAnswer when no answer came: nothing is lost, the next round sends it again
   */
  sync(): Promise<DeltaAnswer> {
    return this.#inTurn(() => this.#sync());
  }

  /**
   * Rounds until nothing is pending, nothing comes any more and the cursor rests. A lost answer is just another round.
   * @returns the number of rounds
   */
  async syncUntilQuiet(maxRounds = 60): Promise<number> {
    for (let round = 1; round <= maxRounds; round++) {
      const { revision, cursor } = this.store;
      const answer = await this.sync().catch((error: unknown) => {
        if (error instanceof LostAnswer) return null;
        throw error;
      });
      const rests = this.store.revision === revision && this.store.cursor === cursor;
      if (answer && !answer.hasMore && rests && !this.store.hasPending()) return round;
    }
    throw new Error(`${this.name} did not come to rest in ${maxRounds} rounds`);
  }

  /** Uploads pending points through POST /locations/batch; what it answers is not a delta, so no cursor moves. */
  uploadBatch(size = 500): Promise<{ accepted: number; rejected: number; duplicates: number } | null> {
    return this.#inTurn(async () => {
      const rows = this.store.pending("locations").filter((row) => !row.deleted);
      const batch = rows.slice(0, size);
      if (batch.length === 0) return null;
      const locations = batch.map((row) => {
        row.attempted = true;
        return { ...toWire("locations", row.content), deviceId: this.deviceId, syncAction: "CREATE" };
      });
      this.counters.sent += batch.length;
      const body = { locations, deviceId: this.deviceId };
      const answer = await this.transport.call("POST", "/locations/batch", body, batchAnswer);
      this.counters.accepted += answer.accepted + answer.duplicates;
      this.counters.rejected += answer.rejected;
      for (const row of batch) if (!row.deleted) row.dirty = false;
      return answer;
    });
  }

  /** GET /sync/status; the app takes its `syncVersion` as its own cursor. */
  status() {
    return this.#inTurn(async () => {
      const answer = await this.transport.call("GET", "/sync/status", undefined, syncStatus);
      this.store.cursor = answer.syncVersion;
      return answer;
    });
  }

  /** Both sides of every conflict the account ever had. */
  async keptConflicts(status?: "open" | "resolved"): Promise<KeptConflict[]> {
    const all: KeptConflict[] = [];
    for (;;) {
      const query = `limit=100&offset=${all.length}${status ? `&status=${status}` : ""}`;
      const page = await this.transport.call("GET", `/sync/conflicts?${query}`, undefined, keptConflicts);
      all.push(...page.conflicts);
      if (!page.pagination.hasMore || page.conflicts.length === 0) return all;
    }
  }

  /** Everything the phone holds in canonical form; `view` narrows it to what another app knows, too. */
  snapshot(view: View = this.view): Snapshot {
    return this.store.snapshot(view);
  }

  /** The phone's clock, with the microseconds that phones send. */
  now(): string {
    this.#ticks = (this.#ticks + 1) % 1000;
    const millis = (this.#options.clock?.() ?? new Date()).toISOString().slice(0, -1);
    return `${millis}${String(this.#ticks).padStart(3, "0")}Z`;
  }

  async #sync(): Promise<DeltaAnswer> {
    const outgoing = buildDelta(this.store, this.#self);
    this.counters.sent += Object.values(outgoing.sent).reduce((sum, kind) => sum + kind.size, 0);
    const schema = this.#self.cipher ? encryptedDeltaAnswer : deltaAnswer;
    const exchange = { phone: this, outgoing, startedAt: performance.now() };
    let answer: DeltaAnswer;
    try {
      answer = await this.transport.call("POST", "/sync/delta", outgoing.request, schema);
    } catch (error) {
      this.#options.observe?.({ ...exchange, answer: null, endedAt: performance.now() });
      throw error;
    }
    checkDelta(outgoing, answer);
    const open = applyAnswer(this.store, outgoing, answer, this.#self);
    this.#count(answer);
    this.#options.observe?.({ ...exchange, answer, endedAt: performance.now() });
    await this.person.settle(open);
    return answer;
  }

  #count(answer: DeltaAnswer): void {
    const sizes = (lists: object) => Object.values(lists).reduce((sum: number, list) => sum + list.length, 0);
    this.counters.accepted += sizes(answer.accepted);
    this.counters.rejected += sizes(answer.rejected);
    this.counters.conflicts += answer.conflicts.length;
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#queue.then(work);
    this.#queue = result.catch(() => undefined);
    return result;
  }

  #signIn(answer: { userId: string; accessToken: string; refreshToken: string }): void {
    this.userId = answer.userId;
    this.transport.accessToken = answer.accessToken;
    this.transport.refreshToken = answer.refreshToken;
  }

  #deviceInfo() {
    const { appVersion } = this.transport.options;
    return {
      deviceId: this.deviceId,
      deviceName: this.name,
      platform: "Android",
      osVersion: "15",
      appVersion,
    };
  }
}
