import { type TokenReader, tokenReader } from "./edit-token.ts";
import type { Phone } from "./phone.ts";
import { KIND_OF, type OpenConflict } from "./phone-answer.ts";
import { canonical, fromWire, KINDS, type Kind } from "./phone-content.ts";
import type { Exchange } from "./phone-options.ts";
import type { KeptConflict, RemoteEntity } from "./wire.ts";
import { WriteLedger } from "./write-ledger.ts";

/**
 * Keeps books on everything the phones of one account send and are told, and tells which promises of `sync.md` were
 * broken on the way. It knows nothing of the server's insides.
 */
export class SyncOracle {
  readonly problems: string[] = [];
  readonly ledger: WriteLedger;
  readonly #token: TokenReader;
  /** Every version anyone was told of: which entity it belongs to, and what that looked like. */
  readonly #versions = new Map<number, { entity: string; contents: Map<string, string> }>();
  readonly #told = new Set<string>();
  readonly #newest = new Map<string, number>();
  readonly #reported = new Map<
    string,
    { kind: Kind; id: string; token: string | null; phone: Phone; at: number }
  >();

  constructor(passphrase: string | null = null) {
    this.#token = tokenReader(passphrase);
    this.ledger = new WriteLedger(this.#token);
  }

  /** To be given to every phone as `observe`. */
  readonly observe = (exchange: Exchange): void => {
    this.ledger.noteSent(exchange);
    if (!exchange.answer) return;
    this.#checkRows(exchange);
    this.#noteConflicts(exchange);
    this.ledger.noteAnswer(exchange);
  };

  /** The person settles it by a call of its own: the books on accepted deltas do not cover that entity any more. */
  noteResolved(conflict: OpenConflict): void {
    this.ledger.exempt(conflict.kind, conflict.id);
  }

  /** To be called when everything has come to rest, with a device that was given everything from cursor 0. */
  conclude(fresh: Phone, kept: KeptConflict[]): string[] {
    this.#checkNewest(fresh);
    this.#checkKept(kept);
    return [...this.problems, ...this.ledger.lostWrites(fresh, kept)];
  }

  #checkRows({ phone, outgoing, answer }: Exchange): void {
    if (!answer) return;
    for (const kind of KINDS) {
      for (const row of answer.remoteChanges[kind]) {
        const v = row.serverVersion;
        if (v === null || v === undefined) continue;
        this.#noteVersion(kind, row, v, phone);
        const again = this.#toldBefore(phone, v);
        const skipped = v <= outgoing.request.lastSyncVersion && !answer.resyncRequired && !again;
        if (!skipped || this.ledger.everSent(phone, kind, row.id)) continue;
        const cursor = outgoing.request.lastSyncVersion;
        this.problems.push(
          `${kind}/${row.id}: version ${v} appeared at ${phone.name} behind its cursor ${cursor}`,
        );
      }
    }
  }

  /** Being told a thing twice does no harm. */
  #toldBefore(phone: Phone, version: number): boolean {
    const key = `${phone.deviceId}/${version}`;
    const before = this.#told.has(key);
    this.#told.add(key);
    return before;
  }

  /** A version is given out once, to one entity, in one state; links show later without a new state of their own. */
  #noteVersion(kind: Kind, row: RemoteEntity, version: number, phone: Phone): void {
    const entity = `${kind}/${row.id}`;
    const known = this.#versions.get(version) ?? { entity, contents: new Map() };
    this.#versions.set(version, known);
    if (known.entity !== entity)
      this.problems.push(`version ${version} belongs to ${known.entity} and to ${entity}`);
    const content = row.encryptedData ?? JSON.stringify(withoutLinks(kind, row, phone));
    const before = known.contents.get(phone.view) ?? content;
    known.contents.set(phone.view, before);
    if (before !== content)
      this.problems.push(`${entity} at version ${version} was ${before}, then ${content}`);
    this.#newest.set(entity, Math.max(version, this.#newest.get(entity) ?? 0));
  }

  #noteConflicts({ phone, answer, endedAt }: Exchange): void {
    for (const conflict of answer?.conflicts ?? []) {
      if (conflict.entityType === "SETTINGS" || !conflict.conflictId) continue;
      const kind = KIND_OF[conflict.entityType];
      const token = this.#token(kind, conflict.localVersion);
      this.#reported.set(conflict.conflictId, { kind, id: conflict.entityId, token, phone, at: endedAt });
    }
  }

  #checkNewest(fresh: Phone): void {
    for (const [entity, version] of this.#newest) {
      const [kind, id] = entity.split("/") as [Kind, string];
      const held = fresh.store.get(kind, id)?.serverVersion;
      if (held !== undefined && held !== null && held < version) {
        this.problems.push(`${entity} was at version ${version} and is now at ${held}`);
      }
    }
  }

  /** Both sides of every conflict that was reported stay readable. */
  #checkKept(kept: KeptConflict[]): void {
    for (const [conflictId, reported] of this.#reported) {
      const record = kept.find((one) => one.conflictId === conflictId);
      const what = `conflict ${conflictId} on ${reported.kind}/${reported.id}`;
      if (!record) {
        this.problems.push(`${what} is not kept`);
        continue;
      }
      const token = this.#token(reported.kind, record.localVersion);
      const later = this.ledger.tokensSentSince(reported.phone, reported.kind, reported.id, reported.at);
      if (reported.token !== null && token !== reported.token && !(token !== null && later.includes(token))) {
        this.problems.push(`${what} has lost the side ${reported.token}, it shows ${token}`);
      }
    }
  }
}

function withoutLinks(kind: Kind, row: RemoteEntity, phone: Phone): Record<string, unknown> {
  return canonical(kind, fromWire(kind, { ...row }, phone.view), phone.view, () => false);
}
