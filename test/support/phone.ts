import { randomUUID } from "node:crypto";
import { applyAnswer } from "./phone-answer.ts";
import { checkDelta } from "./phone-checks.ts";
import { PhoneCipher } from "./phone-cipher.ts";
import { toWire } from "./phone-content.ts";
import { PhoneJournal } from "./phone-journal.ts";
import type { Counters, Credentials, PhoneOptions } from "./phone-options.ts";
import { PhonePerson } from "./phone-person.ts";
import { applyUploaded, type PictureUpload, pictureForm } from "./phone-pictures.ts";
import { buildDelta, noneSent, type PhoneSelf } from "./phone-request.ts";
import { LostAnswer, PhoneTransport } from "./phone-transport.ts";
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
  uploaded,
} from "./wire.ts";

/**
 * A small phone that behaves as the shipped apps do ("How the real client behaves" in the HTTP contract), and that
 * throws a ContractBreach on any answer that would break one of them.
 */
export class Phone extends PhoneJournal {
  readonly name: string;
  readonly deviceId: string;
  readonly transport: PhoneTransport;
  readonly person: PhonePerson;
  readonly counters: Counters = { sent: 0, accepted: 0, rejected: 0, conflicts: 0 };
  userId: string | null = null;
  readonly #self: PhoneSelf;
  readonly #options: PhoneOptions;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(options: PhoneOptions) {
    super(options.newClient ? "new" : "today", options.clock);
    this.#options = options;
    this.deviceId = options.deviceId ?? randomUUID();
    this.name = options.name ?? this.deviceId.slice(0, 8);
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
      // In end-to-end mode nothing leaves the phone in the clear, and a batch knows no envelopes.
      if (this.#self.cipher) return null;
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

  /**
   * Uploads the bytes of a photo through POST /photos/upload, before, after or while a delta carries what is said of it.
   * @throws ApiFailure 409 when the photo has another picture, was deleted, or is sealed
   */
  async uploadPicture(upload: PictureUpload) {
    const row = this.store.get("photos", upload.photoId);
    // From now on the server may know it, so a deletion has to be sent.
    if (row) row.attempted = true;
    const startedAt = performance.now();
    try {
      const answer = await this.transport.post("/photos/upload", pictureForm(upload), uploaded);
      applyUploaded(this.store, this.#self.cipher ? { ...upload, takesLinks: false } : upload, answer);
      return answer;
    } finally {
      if (upload.isOwn) this.#noteUpload(upload, startedAt);
    }
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

  /** It may have made the photo, which no answer says: so for a book-keeper it is like a delta that was not answered. */
  #noteUpload({ photoId, metadata }: PictureUpload, startedAt: number): void {
    const localChanges = { photos: [{ ...metadata, id: photoId }], settings: null };
    const { cursor: lastSyncVersion } = this.store;
    const { deviceId } = this;
    const request = { deviceId, lastSyncVersion, isEncrypted: false, limit: null, localChanges };
    const outgoing = { request, sent: noneSent(), settingsVersion: null };
    this.#options.observe?.({ phone: this, outgoing, answer: null, startedAt, endedAt: performance.now() });
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
