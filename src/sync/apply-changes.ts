import type { Transaction } from "../database/client.ts";
import type { Change } from "./change.ts";
import { type ConflictRecord, type ConflictToKeep, keepConflicts, settle } from "./conflicts.ts";
import type { Counter } from "./counter.ts";
import type { Decision, Stored } from "./decide.ts";
import type { Content, Entity, Kind, Link, Registry } from "./entity.ts";
import { eraseClearForm, eraseEnvelopes, readStoredEnvelopes, writeEnvelopes } from "./envelopes.ts";
import { editLinks, type LinkEdits, touchNeighbours, writeTripMembers } from "./links.ts";
import { type NewRow, readStored, writeRows } from "./rows.ts";

/** On whose behalf changes are made. */
export interface Writer {
  readonly userId: string;
  readonly deviceId: string;
}

export interface ApplyInput {
  readonly writer: Writer;
  readonly changes: readonly Change[];
  /** The device's cursor, as far as it can be believed; null outside a delta. */
  readonly lastSyncVersion: number | null;
  /** What the device has not settled yet. */
  readonly pending: readonly ConflictRecord[];
  /** Whether conflicts are kept. Where the answer itself refuses the change, its sender keeps it. */
  readonly keepsConflicts: boolean;
}

/** What became of one change. */
export interface Outcome {
  readonly change: Change;
  readonly decision: Decision;
  /** What was there before; null for nothing. */
  readonly stored: Stored | null;
  /** The version of the entity now; null where there is none. */
  readonly version: number | null;
  /** The point was there already under another id. */
  readonly repeat: boolean;
  /** What the change would make contradict itself; null when nothing. */
  readonly contradiction: string | null;
  readonly conflictId: string | null;
}

export interface Applied {
  readonly outcomes: readonly Outcome[];
  /** `kind:id` of entities that have a new version, but were not among the changes. */
  readonly touched: ReadonlySet<string>;
}

export const keyOf = ({ kind, id }: { kind: Kind; id: string }) => `${kind}:${id}`;

const isEmpty = (value: unknown) =>
  value === null || value === undefined || (Array.isArray(value) && value.length === 0);

/** The change over what it leaves as it is; see `Change.reading`. */
function mergeContent(entity: Entity, change: Change, stored: Stored | null): Content | null {
  const { content, reading } = change;
  if (
    content === null ||
    change.encrypted ||
    !stored ||
    stored.encrypted ||
    stored.deleted ||
    reading === "whole"
  )
    return content;
  const kept = Object.keys(content).filter((key) =>
    reading === "patch"
      ? content[key] === null
      : entity.unknownToPhones?.includes(key) && isEmpty(content[key]),
  );
  return { ...content, ...Object.fromEntries(kept.map((key) => [key, stored.content[key]])) };
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

/** Decides the changes of one kind, one after the other, each seeing what those before it did. */
class KindRun {
  readonly outcomes: Outcome[] = [];
  readonly edits: LinkEdits[] = [];
  readonly rows = new Map<string, { row: NewRow; encrypted: boolean; was: Stored | null }>();

  constructor(
    readonly entity: Entity,
    private readonly input: ApplyInput,
    private readonly counter: Counter,
    private readonly stored: Map<string, Stored>,
    private readonly repeats: ReadonlySet<string>,
    private readonly pending: ReadonlyMap<string, ConflictRecord>,
  ) {}

  decide(change: Change): void {
    const stored = this.stored.get(change.id) ?? null;
    const outcome = { change, stored, version: null, repeat: false, contradiction: null, conflictId: null };
    if (!stored && this.repeats.has(change.id)) {
      this.outcomes.push({ ...outcome, decision: { accepted: true, agrees: true }, repeat: true });
      return;
    }
    const edits = editLinks(this.entity, change, stored);
    const merged = mergeContent(this.entity, change, stored);
    const contradiction = merged && !change.encrypted ? (this.entity.contradiction?.(merged) ?? null) : null;
    // A patch needs something to patch, and nothing may be written that contradicts itself.
    if (
      contradiction !== null ||
      (change.reading === "patch" && (!stored || stored.deleted || stored.encrypted))
    ) {
      this.outcomes.push({ ...outcome, decision: { accepted: false, agrees: false }, contradiction });
      return;
    }
    const decision = this.entity.decide({
      stored,
      change,
      merged,
      same: saysNothingNew(this.entity, change, merged, edits, stored),
      deviceId: this.input.writer.deviceId,
      openConflict: this.pending.get(keyOf(change)) ?? null,
      lastSyncVersion: this.input.lastSyncVersion,
    });
    const version =
      decision.write === undefined
        ? (stored?.serverVersion ?? null)
        : this.stage(change, decision.write, stored);
    if (decision.write !== undefined) this.edits.push(edits);
    this.outcomes.push({ ...outcome, decision, version });
  }

  private stage(change: Change, write: Content | null, stored: Stored | null): number {
    const version = this.counter.next();
    const content = write && !change.encrypted && this.entity.seal ? this.entity.seal(write, version) : write;
    const { id, localVersion, lastModified, encrypted } = change;
    const was = this.rows.get(id)?.was ?? stored;
    this.rows.set(id, { row: { id, version, localVersion, lastModified, content }, encrypted, was });
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

  /** Writes what was decided; an entity stands in clear or as an envelope, never as both. */
  async write(tx: Transaction): Promise<void> {
    const { writer } = this.input;
    const staged = [...this.rows.values()];
    const clear = staged.filter(({ encrypted }) => !encrypted);
    const sealed = staged.filter(({ encrypted }) => encrypted);
    const ids = (list: typeof staged) => list.map(({ row }) => row.id);
    await writeRows(
      tx,
      this.entity,
      writer,
      clear.map(({ row }) => row),
    );
    await eraseEnvelopes(tx, this.entity.kind, writer.userId, ids(clear.filter(({ was }) => was?.encrypted)));
    await writeEnvelopes(
      tx,
      this.entity.kind,
      writer,
      sealed.map(({ row }) => row),
    );
    await eraseClearForm(
      tx,
      this.entity,
      writer.userId,
      ids(sealed.filter(({ was }) => was?.encrypted === false)),
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

async function runKind(
  tx: Transaction,
  entity: Entity,
  changes: readonly Change[],
  input: ApplyInput,
  counter: Counter,
) {
  const { userId, deviceId } = input.writer;
  const stored = await readAll(tx, entity, userId, changes, counter);
  const repeats = (await entity.findRepeats?.(tx, userId, deviceId, changes)) ?? new Set<string>();
  const pending = new Map(
    input.pending.filter(({ status }) => status === "open").map((c) => [`${c.kind}:${c.entityId}`, c]),
  );
  const run = new KindRun(entity, input, counter, stored, repeats, pending);
  for (const change of changes) run.decide(change);
  await run.write(tx);
  return run;
}

/** Keeps the conflicts that were found, and settles those that an accepted change has settled. */
async function settleConflicts(tx: Transaction, outcomes: Outcome[], input: ApplyInput): Promise<Outcome[]> {
  const { userId } = input.writer;
  const known = new Map(input.pending.map((conflict) => [`${conflict.kind}:${conflict.entityId}`, conflict]));
  const found = new Map<string, ConflictToKeep>();
  for (const { change, decision, stored } of outcomes) {
    if (!decision.conflict || !stored || !input.keepsConflicts) continue;
    const open = known.get(keyOf(change));
    found.set(keyOf(change), {
      found: decision.conflict,
      change,
      stored,
      known: open?.status === "open" ? open : undefined,
    });
  }
  const done = outcomes.filter(
    ({ change, decision }) =>
      decision.accepted && decision.agrees && known.has(keyOf(change)) && !found.has(keyOf(change)),
  );
  const idsOf = (list: Outcome[]) =>
    list.map(({ change }) => (known.get(keyOf(change)) as ConflictRecord).id);
  await settle(tx, userId, idsOf(done.filter(({ decision }) => decision.write !== undefined)), "KEEP_LOCAL");
  await settle(tx, userId, idsOf(done.filter(({ decision }) => decision.write === undefined)), "KEEP_REMOTE");
  const ids = await keepConflicts(tx, input.writer, [...found.values()]);
  const idOf = new Map([...found.keys()].map((key, index) => [key, ids[index] as string]));
  return outcomes.map((outcome) => ({ ...outcome, conflictId: idOf.get(keyOf(outcome.change)) ?? null }));
}

/** Runs every kind, parents first, and what follows from links between them. */
async function runKinds(
  tx: Transaction,
  registry: Registry,
  counter: Counter,
  input: ApplyInput,
): Promise<KindRun[]> {
  const runs: KindRun[] = [];
  for (const entity of registry) {
    const given = input.changes.filter(({ kind }) => kind === entity.kind);
    const own = given.length > 0 ? await runKind(tx, entity, given, input, counter) : null;
    if (own) runs.push(own);
    const edits = runs.flatMap((run) => run.edits);
    const derived = (await entity.derive?.(tx, input.writer.userId, edits, own?.outcomes ?? [])) ?? [];
    if (derived.length > 0) runs.push(await runKind(tx, entity, derived, input, counter));
  }
  return runs;
}

/** The links of attachments as they were before: one may have moved to another visit or photo. */
function formerLinks(runs: readonly KindRun[]): Link[] {
  const rows = runs
    .filter(({ entity }) => entity.kind === "photoAttachments")
    .flatMap((run) => [...run.rows.values()]);
  return rows.flatMap(({ was }) => {
    const { placeVisitId, photoId } = (was?.content ?? {}) as {
      placeVisitId?: string | null;
      photoId?: string | null;
    };
    if (!placeVisitId || !photoId) return [];
    return [
      { relation: "visitPhotos", ownerId: placeVisitId, memberKind: "photos", memberId: photoId } as const,
    ];
  });
}

/** Writes the links that are no entities, and gives what shows differently now a new version. */
async function followLinks(
  tx: Transaction,
  userId: string,
  runs: readonly KindRun[],
  counter: Counter,
): Promise<ReadonlySet<string>> {
  const writtenOf = (kind: Kind) =>
    runs.filter((run) => run.entity.kind === kind).flatMap((run) => [...run.rows.keys()]);
  const edits = runs.flatMap((run) => run.edits);
  const written = {
    placeVisits: writtenOf("placeVisits"),
    trips: writtenOf("trips"),
    photos: writtenOf("photos"),
    photoAttachments: writtenOf("photoAttachments"),
    links: [...(await writeTripMembers(tx, userId, edits, counter.current)), ...formerLinks(runs)],
  };
  const nothing = Object.values(written).every((list) => list.length === 0);
  return nothing ? new Set() : touchNeighbours(tx, userId, written, () => counter.next());
}

/**
 * The one way in which anything that phones see is ever changed (I2). In a transaction that holds the counter's
 * lock: one read a kind, a pure decision a change, set-wise writes, links, conflicts. The caller commits.
 */
export async function applyChanges(
  tx: Transaction,
  registry: Registry,
  counter: Counter,
  input: ApplyInput,
): Promise<Applied> {
  const runs = await runKinds(tx, registry, counter, input);
  const touched = await followLinks(tx, input.writer.userId, runs, counter);
  const given = new Set(input.changes);
  const outcomes = runs.flatMap((run) => run.outcomes).filter(({ change }) => given.has(change));
  if (input.changes.some(({ encrypted }) => encrypted)) counter.noteEnvelopes();
  await counter.save();
  return { outcomes: await settleConflicts(tx, outcomes, input), touched };
}
