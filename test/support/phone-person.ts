import { z } from "zod";
import type { OpenConflict } from "./phone-answer.ts";
import { fromWire, toWire } from "./phone-content.ts";
import type { PhoneSelf } from "./phone-request.ts";
import type { PhoneStore } from "./phone-store.ts";
import { ApiFailure, LostAnswer, type PhoneTransport } from "./phone-transport.ts";
import { resolved } from "./wire.ts";
import { ENTITIES } from "./wire-entities.ts";

/**
 * What a person does with a conflict: today's app keeps (and sends again) or lets go, and may be left undecided; the
 * `resolve-` ways call POST /sync/resolve-conflict.
 */
export type Decision = "keep-mine" | "let-go" | "later" | "resolve-mine" | "resolve-theirs" | "resolve-merge";

const PATH = { placeVisits: "/place-visits", trips: "/trips" } as const;

/** The person holding the phone: settles what the app does not settle unasked. */
export class PhonePerson {
  constructor(
    readonly store: PhoneStore,
    readonly transport: PhoneTransport,
    readonly self: PhoneSelf,
    public decide: (conflict: OpenConflict) => Decision,
  ) {}

  async settle(open: OpenConflict[]): Promise<void> {
    for (const conflict of open) await this.#carryOut(this.decide(conflict), conflict);
  }

  async #carryOut(decision: Decision, conflict: OpenConflict): Promise<void> {
    const row = this.store.get(conflict.kind, conflict.id);
    if (!row?.dirty) return;
    switch (decision) {
      case "later":
        return;
      case "keep-mine":
        // Sent again with its old base: the server takes the raised localVersion for the person's word.
        row.localVersion++;
        return;
      case "let-go":
        return this.#letGo(conflict);
      case "resolve-theirs":
        return this.#resolve(conflict, "KEEP_REMOTE", () => this.#letGo(conflict));
      case "resolve-mine":
        return this.#resolve(conflict, "KEEP_LOCAL", (serverVersion) => this.#kept(conflict, serverVersion));
      case "resolve-merge":
        return this.#resolve(conflict, "MERGE", () => this.#fetch(conflict));
    }
  }

  /** Drops the pending change; the row stays as it is until the server sends the side it owes. */
  #letGo(conflict: OpenConflict): void {
    const row = this.store.get(conflict.kind, conflict.id);
    if (row) Object.assign(row, { dirty: false, deleted: false });
  }

  #kept(conflict: OpenConflict, serverVersion: number): void {
    const row = this.store.get(conflict.kind, conflict.id);
    if (!row) return;
    Object.assign(row, { dirty: false, serverVersion });
    if (row.deleted) this.store.drop(conflict.kind, conflict.id);
  }

  /** A 409 means that the other side moved on: the next delta shows the conflict anew. */
  async #resolve(
    conflict: OpenConflict,
    resolution: "KEEP_LOCAL" | "KEEP_REMOTE" | "MERGE",
    then: (serverVersion: number) => void | Promise<void>,
  ): Promise<void> {
    if (conflict.conflictId === null) return;
    const row = this.store.get(conflict.kind, conflict.id);
    const localVersion = row?.localVersion;
    const body = {
      conflictId: conflict.conflictId,
      resolution,
      resolvedEntity: this.#entity(conflict, resolution),
    };
    try {
      const answer = await this.transport.call("POST", "/sync/resolve-conflict", body, resolved);
      this.store.cursor = answer.syncVersion;
      // Edited while the person's word was under way: the newer state stays pending and will be sent.
      if (row?.localVersion === localVersion) await then(answer.acceptedEntity.serverVersion);
    } catch (error) {
      const repeatable = error instanceof LostAnswer || (error instanceof ApiFailure && error.status === 409);
      if (!repeatable) throw error;
    }
  }

  /** Today's app sends a map of strings, lists and objects as JSON text. */
  #entity(conflict: OpenConflict, resolution: string): Record<string, string> {
    if (resolution === "MERGE")
      return { notes: `${conflict.mine.notes ?? ""} / ${conflict.theirs.notes ?? ""}` };
    const row = this.store.get(conflict.kind, conflict.id);
    if (!row || this.self.cipher) return {};
    const given = Object.entries(toWire(conflict.kind, row.content)).filter(([, value]) => value !== null);
    return Object.fromEntries(
      given.map(([name, value]) => [name, typeof value === "string" ? value : JSON.stringify(value)]),
    );
  }

  /** After a merge the phone reads the result back, since it does not know what the server made of it. */
  async #fetch({ kind, id }: OpenConflict): Promise<void> {
    if (kind !== "placeVisits" && kind !== "trips") return;
    const schema = z.union([ENTITIES.placeVisits, ENTITIES.trips]);
    const entity = await this.transport.call("GET", `${PATH[kind]}/${id}`, undefined, schema);
    const { serverVersion = null, localVersion, lastModified } = entity;
    this.store.adopt(kind, fromWire(kind, entity, this.self.view), {
      serverVersion: serverVersion ?? null,
      localVersion: localVersion ?? 0,
      lastModified: lastModified ?? new Date().toISOString(),
    });
  }
}
