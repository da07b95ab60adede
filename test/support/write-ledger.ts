import type { TokenReader } from "./edit-token.ts";
import type { Phone } from "./phone.ts";
import { KIND_OF } from "./phone-answer.ts";
import { KINDS, type Kind } from "./phone-content.ts";
import type { Exchange } from "./phone-options.ts";
import type { KeptConflict } from "./wire.ts";

interface Write {
  phone: Phone;
  token: string | null;
  deleted: boolean;
  startedAt: number;
  endedAt: number;
  acknowledged: boolean;
  /** Until when this phone surely or possibly knew what others had written to the entity. */
  knownUpTo: number;
}

/** The kinds that conflict: locations are facts, the rest is last-writer-wins. */
const CONTESTED: readonly Kind[] = ["placeVisits", "trips", "photos"];

/**
 * Every write the phones sent, with the times between which the server must have carried it out. All judgements use
 * only writes that surely did not overlap, so nothing that is allowed is ever called a loss.
 */
export class WriteLedger {
  readonly #writes = new Map<string, Write[]>();
  readonly #known = new Map<string, number>();
  readonly #exempt = new Set<string>();

  constructor(readonly token: TokenReader) {}

  noteSent({ phone, outgoing, answer, startedAt, endedAt }: Exchange): void {
    for (const kind of KINDS) {
      for (const row of outgoing.request.localChanges[kind] ?? []) {
        const id = String(row.id);
        const writes = this.#of(`${kind}/${id}`);
        const said = { phone, token: this.token(kind, row), deleted: row.syncAction === "DELETE" };
        // A repeat may have been carried out when it was sent for the first time.
        const first = writes.find((write) => saysTheSame(write, said) && write.phone === phone);
        writes.push({
          ...said,
          startedAt: first?.startedAt ?? startedAt,
          endedAt,
          acknowledged: answer?.accepted[kind].includes(id) ?? false,
          knownUpTo: this.#knownUpTo(phone, `${kind}/${id}`),
        });
      }
    }
  }

  /** What an answer carries, the phone knows; a complete answer tells everything up to when it was asked for. */
  noteAnswer({ phone, answer, startedAt, endedAt }: Exchange): void {
    if (!answer) return;
    for (const kind of KINDS) {
      for (const row of answer.remoteChanges[kind]) this.#learn(phone, `${kind}/${row.id}`, endedAt);
      for (const id of answer.remoteChanges.deletedIds[kind]) this.#learn(phone, `${kind}/${id}`, endedAt);
    }
    for (const conflict of answer.conflicts) {
      if (conflict.entityType === "SETTINGS") continue;
      this.#learn(phone, `${KIND_OF[conflict.entityType]}/${conflict.entityId}`, endedAt);
    }
    if (!answer.hasMore) this.#learn(phone, "everything", startedAt);
  }

  exempt(kind: Kind, id: string): void {
    this.#exempt.add(`${kind}/${id}`);
  }

  everSent(phone: Phone, kind: Kind, id: string): boolean {
    return this.#of(`${kind}/${id}`).some((write) => write.phone === phone);
  }

  tokensSentSince(phone: Phone, kind: Kind, id: string, since: number): (string | null)[] {
    const later = this.#of(`${kind}/${id}`).filter(
      (write) => write.phone === phone && write.endedAt >= since,
    );
    return later.map((write) => write.token);
  }

  /** Acknowledged writes that are neither there, nor knowingly superseded, nor kept as the side of a conflict. */
  lostWrites(fresh: Phone, kept: KeptConflict[]): string[] {
    const problems: string[] = [];
    for (const [entity, writes] of this.#writes) {
      const [kind, id] = entity.split("/") as [Kind, string];
      if (!CONTESTED.includes(kind) || this.#exempt.has(entity)) continue;
      const shown = fresh.find(kind, id);
      const end = shown ? this.token(kind, shown) : null;
      const sides = kept.filter((conflict) => conflict.entityId === id);
      const acknowledged = writes.filter((write) => write.acknowledged);
      const blindly = acknowledged.filter((write) => overwrittenBlindly(write, acknowledged));
      for (const lost of blindly.filter((write) => !restates(write, writes))) {
        if (sides.some((side) => this.#shows(kind, side, lost))) continue;
        const what = `${entity}: ${lost.phone.name}'s write ${lost.token} was overwritten by one who never saw it`;
        problems.push([what, ...writes.map(told)].join("\n  "));
      }
      problems.push(...staleEnd(entity, end, acknowledged, writes));
    }
    return problems;
  }

  /** A deletion has no content to be told by: any conflict about the entity counts. */
  #shows(kind: Kind, side: KeptConflict, write: Write): boolean {
    if (write.deleted) return true;
    return [side.localVersion, side.remoteVersion].some((one) => this.token(kind, one) === write.token);
  }

  #of(entity: string): Write[] {
    const writes = this.#writes.get(entity) ?? [];
    this.#writes.set(entity, writes);
    return writes;
  }

  #learn(phone: Phone, what: string, until: number): void {
    const key = `${phone.deviceId}/${what}`;
    this.#known.set(key, Math.max(until, this.#known.get(key) ?? 0));
  }

  #knownUpTo(phone: Phone, entity: string): number {
    const own = this.#known.get(`${phone.deviceId}/${entity}`) ?? 0;
    return Math.max(own, this.#known.get(`${phone.deviceId}/everything`) ?? 0);
  }
}

function told({ phone, token, deleted, acknowledged, startedAt, endedAt, knownUpTo }: Write): string {
  const when = `${startedAt.toFixed(1)} to ${endedAt.toFixed(1)} ms, knowing ${knownUpTo.toFixed(1)}`;
  return `${phone.name} ${deleted ? "deletes" : "writes"} ${token}, ${when}, ${acknowledged ? "accepted" : "not accepted"}`;
}

type Said = Pick<Write, "phone" | "token" | "deleted">;

function saysTheSame(one: Said, other: Said): boolean {
  return one.deleted === other.deleted && (one.deleted || one.token === other.token);
}

/** A deletion taken back sends what another phone wrote: the server had that already and wrote nothing. */
function restates(write: Write, all: Write[]): boolean {
  if (write.deleted) return false;
  return all.some((other) => other.phone !== write.phone && !other.deleted && other.token === write.token);
}

/** True when somebody who cannot have known of the write put something else in its place. */
function overwrittenBlindly(write: Write, acknowledged: Write[]): boolean {
  const blind = acknowledged.filter(
    (other) =>
      other.phone !== write.phone &&
      other.startedAt > write.endedAt &&
      other.knownUpTo < write.startedAt &&
      !saysTheSame(other, write),
  );
  // Accepted without a change, when the very same had been said in between: two people delete one visit.
  return blind.some((other) => !acknowledged.some((between) => anticipates(between, other, write)));
}

function anticipates(between: Write, other: Write, write: Write): boolean {
  const inTime = between.endedAt > write.startedAt && between.startedAt < other.endedAt;
  return between !== other && inTime && saysTheSame(between, other);
}

/** At rest an entity shows its newest acknowledged write, or one that may have been carried out after it. */
function staleEnd(entity: string, token: string | null, acknowledged: Write[], all: Write[]): string[] {
  const newestStart = Math.max(...acknowledged.map((write) => write.startedAt));
  if (acknowledged.length === 0) return [];
  if (token === null) {
    const deletions = all.filter((write) => write.deleted);
    if (deletions.length === 0) return [`${entity} is gone, and nobody deleted it`];
    const last = Math.max(...deletions.map((write) => write.endedAt));
    const sure = deletions.every((write) => write.acknowledged) && newestStart > last;
    return sure ? [`${entity} is gone, although it was written again after its deletion`] : [];
  }
  const same = all.filter((write) => write.token === token && !write.deleted);
  if (same.length === 0) return [`${entity} shows ${token}, which nobody wrote`];
  const last = Math.max(...same.map((write) => write.endedAt));
  const sure = same.some((write) => write.acknowledged) && newestStart > last;
  return sure ? [`${entity} shows ${token} although newer writes were acknowledged`] : [];
}
