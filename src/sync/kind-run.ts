import type { Transaction } from "../database/client.ts";
import type { ApplyInput, Outcome } from "./apply-changes.ts";
import type { Change } from "./change.ts";
import { type ConflictRecord, keyOf } from "./conflicts.ts";
import type { Counter } from "./counter.ts";
import type { Decision, Stored } from "./decide.ts";
import type { Content, Entity, Kind } from "./entity.ts";
import { eraseClearForm, eraseEnvelopes, readStoredEnvelopes, writeEnvelopes } from "./envelopes.ts";
import { editLinks, type LinkEdits } from "./links.ts";
import { type NewRow, readStored, writeRows } from "./rows.ts";

/** A row that is to be written, and what stood there before this transaction. */
export interface Staged {
  readonly row: NewRow;
  readonly encrypted: boolean;
  readonly was: Stored | null;
}

/** What the changes of one kind came to. */
export interface KindResult {
  readonly kind: Kind;
  readonly outcomes: readonly Outcome[];
  readonly edits: readonly LinkEdits[];
  readonly staged: ReadonlyMap<string, Staged>;
}

const isEmpty = (value: unknown) =>
  value === null || value === undefined || (Array.isArray(value) && value.length === 0);

/** The change over what it leaves as it is; see `Change.reading`. */
function mergeContent(entity: Entity, change: Change, stored: Stored | null): Content | null {
  const { content, reading } = change;
  const over =
    content !== null && !change.encrypted && stored && !stored.encrypted && !stored.deleted ? stored : null;
  if (content === null || !over || reading === "whole" || reading === "merged") return content;
  const isKept = (key: string) =>
    reading === "patch"
      ? content[key] === null
      : entity.unknownToPhones?.includes(key) && isEmpty(content[key]);
  const kept = Object.keys(content).filter(isKept);
  return { ...content, ...Object.fromEntries(kept.map((key) => [key, over.content[key]])) };
}

/** Whether the change says nothing that is not so already. */
function saysNothingNew(
  entity: Entity,
  change: Change,
  merged: Content | null,
  edits: LinkEdits,
  stored: Stored | null,
) {
  if (!stored || stored.deleted !== change.deleted) return false;
  if (change.deleted) return true;
  if (stored.encrypted !== change.encrypted || edits.added.length + edits.removed.length > 0) return false;
  const columns = Object.keys(merged ?? {}).filter((key) => change.encrypted || !entity.linkKeys?.[key]);
  return columns.every((key) => Bun.deepEquals(merged?.[key], stored.content[key]));
}

/** A patch needs something to patch, what is gone is not added to, and nothing may be written that contradicts itself. */
function refusal(entity: Entity, change: Change, merged: Content | null, stored: Stored | null) {
  const contradiction = merged && !change.encrypted ? (entity.contradiction?.(merged) ?? null) : null;
  const isGone = stored !== null && (stored.deleted || stored.encrypted);
  const nothingThere =
    (change.reading === "patch" && (!stored || isGone)) || (change.reading === "ifNew" && isGone);
  return contradiction !== null || nothingThere ? { contradiction } : null;
}

/** A write that says no `localVersion` counts as the next one, so that a late duplicate of an earlier is known as such. */
function nextLocalVersion(change: Change, stored: Stored | null): number | null {
  return change.localVersion ?? (stored?.localVersion == null ? null : stored.localVersion + 1);
}

/** Decides the changes of one kind, one after the other, each seeing what those before it did. */
class KindRun implements KindResult {
  readonly outcomes: Outcome[] = [];
  readonly edits: LinkEdits[] = [];
  readonly staged = new Map<string, Staged>();
  readonly kind: Kind;

  constructor(
    private readonly entity: Entity,
    private readonly input: ApplyInput,
    private readonly counter: Counter,
    private readonly stored: Map<string, Stored>,
    /** Ids of what stands, by what makes another a repeat of it. */
    private readonly standing: Map<string, string>,
    private readonly pending: ReadonlyMap<string, ConflictRecord>,
  ) {
    this.kind = entity.kind;
  }

  decide(change: Change): void {
    const stored = this.stored.get(change.id) ?? null;
    const outcome = {
      change,
      stored,
      version: null,
      repeat: false,
      contradiction: null,
      conflictId: null,
    };
    if (!stored && this.isRepeat(change)) {
      this.outcomes.push({ ...outcome, decision: { accepted: true, agrees: true }, repeat: true });
      return;
    }
    const edits = editLinks(this.entity, change, stored);
    const merged = mergeContent(this.entity, change, stored);
    const refused = refusal(this.entity, change, merged, stored);
    if (refused) {
      this.outcomes.push({ ...outcome, decision: { accepted: false, agrees: false }, ...refused });
      return;
    }
    // No edit: nobody's edits come into conflict with it, nor does it settle anything.
    if (change.reading === "ifNew" && stored) {
      this.edits.push(edits);
      const decision = { accepted: true, agrees: false };
      this.outcomes.push({ ...outcome, decision, version: stored.serverVersion });
      return;
    }
    const same = saysNothingNew(this.entity, change, merged, edits, stored);
    const { writer, lastSyncVersion } = this.input;
    const openConflict = this.pending.get(keyOf(change)) ?? null;
    const decision = this.entity.decide({
      stored,
      change,
      merged,
      same,
      deviceId: writer.deviceId,
      openConflict,
      lastSyncVersion,
    });
    const version = this.stage(change, decision, stored) ?? stored?.serverVersion ?? null;
    if (decision.write !== undefined) this.edits.push(edits);
    this.outcomes.push({ ...outcome, decision, version });
  }

  private isRepeat(change: Change): boolean {
    if (!this.entity.repeats || change.deleted || change.encrypted || !change.content) return false;
    const holder = this.standing.get(this.entity.repeats.keyOf(change.content));
    return holder !== undefined && holder !== change.id;
  }

  private stage(change: Change, decision: Decision, stored: Stored | null): number | null {
    if (decision.write === undefined) return null;
    const version = this.counter.next();
    const { id, encrypted } = change;
    const content =
      decision.write && !encrypted && this.entity.seal
        ? this.entity.seal(decision.write, version)
        : decision.write;
    const lastModified = decision.lastModified ?? change.lastModified;
    const localVersion = nextLocalVersion(change, stored);
    const was = this.staged.get(id)?.was ?? stored;
    this.staged.set(id, {
      row: { id, version, localVersion, lastModified, content, isNew: was === null },
      encrypted,
      was,
    });
    this.noteStanding(id, encrypted ? null : content, stored);
    this.stored.set(id, {
      version,
      serverVersion: version,
      deviceId: this.input.writer.deviceId,
      localVersion,
      lastModified: lastModified ?? new Date().toISOString(),
      deleted: content === null,
      encrypted,
      content: content ?? {},
      links: stored?.links ?? [],
    });
    return version;
  }

  private noteStanding(id: string, content: Content | null, before: Stored | null): void {
    const { repeats } = this.entity;
    if (!repeats) return;
    if (before && !before.deleted && !before.encrypted) this.standing.delete(repeats.keyOf(before.content));
    if (content) this.standing.set(repeats.keyOf(content), id);
  }

  /** Writes what was decided; an entity stands in clear or as an envelope, never as both. */
  async write(tx: Transaction): Promise<void> {
    const { writer } = this.input;
    const staged = [...this.staged.values()];
    const rowsOf = (list: readonly Staged[]) => list.map(({ row }) => row);
    const idsOf = (list: readonly Staged[]) => list.map(({ row }) => row.id);
    const clear = staged.filter(({ encrypted }) => !encrypted);
    const sealed = staged.filter(({ encrypted }) => encrypted);
    await writeRows(tx, this.entity, writer, rowsOf(clear));
    await eraseEnvelopes(tx, this.kind, writer.userId, idsOf(clear.filter(({ was }) => was?.encrypted)));
    await writeEnvelopes(tx, this.kind, writer, rowsOf(sealed));
    await eraseClearForm(
      tx,
      this.entity,
      writer.userId,
      idsOf(sealed.filter(({ was }) => was?.encrypted === false)),
    );
  }
}

async function readAll(
  tx: Transaction,
  entity: Entity,
  userId: string,
  changes: readonly Change[],
  counter: Counter,
) {
  const ids = [...new Set(changes.map(({ id }) => id))];
  const stored = await readStored(tx, entity, userId, ids);
  if (!counter.hasEnvelopes) return stored;
  for (const [id, envelope] of await readStoredEnvelopes(tx, entity.kind, userId, ids))
    stored.set(id, envelope);
  return stored;
}

/** Decides and writes the changes of one kind: one read, a pure decision each, set-wise writes. */
export async function runKind(
  tx: Transaction,
  entity: Entity,
  changes: readonly Change[],
  input: ApplyInput,
  counter: Counter,
): Promise<KindResult> {
  // Sent one behind the other: Postgres looks for the first while the second is still being written down.
  const [stored, standing] = await Promise.all([
    readAll(tx, entity, input.writer.userId, changes, counter),
    entity.repeats?.findStanding(tx, input.writer, changes) ?? new Map<string, string>(),
  ]);
  const open = input.pending.filter(({ status }) => status === "open");
  const pending = new Map(
    open.map((conflict) => [keyOf({ kind: conflict.kind, id: conflict.entityId }), conflict]),
  );
  const run = new KindRun(entity, input, counter, stored, standing, pending);
  for (const change of changes) run.decide(change);
  await run.write(tx);
  return run;
}
