import type { Transaction } from "../database/client.ts";
import type { Change } from "./change.ts";
import { type ConflictRecord, type ConflictToKeep, keepConflicts, keyOf, settle } from "./conflicts.ts";
import type { Counter } from "./counter.ts";
import type { Decision, Stored } from "./decide.ts";
import type { Kind, Link, Registry } from "./entity.ts";
import { type KindResult, runKind, type Staged } from "./kind-run.ts";
import { touchNeighbours, writeTripMembers } from "./links.ts";

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

function isOlder({ localVersion }: Change, open: ConflictRecord): boolean {
  return localVersion !== null && open.localVersion !== null && localVersion < open.localVersion;
}

/** Keeps the conflicts that were found, and settles those that an accepted change has settled. */
async function settleConflicts(tx: Transaction, outcomes: Outcome[], input: ApplyInput): Promise<Outcome[]> {
  const { userId } = input.writer;
  const known = Map.groupBy(input.pending, ({ kind, entityId }) => keyOf({ kind, id: entityId }));
  const found = new Map<string, ConflictToKeep>();
  const openAbout = (change: Change) => known.get(keyOf(change))?.find(({ status }) => status === "open");
  for (const { change, decision, stored } of outcomes) {
    if (!decision.conflict || !stored || !input.keepsConflicts) continue;
    const open = openAbout(change);
    // A late duplicate must not put an older side in the place of the one that is kept.
    if (!open || !isOlder(change, open))
      found.set(keyOf(change), { found: decision.conflict, change, stored, known: open });
  }
  const done = outcomes.filter(
    ({ change, decision }) =>
      decision.accepted && decision.agrees && known.has(keyOf(change)) && !found.has(keyOf(change)),
  );
  // Beside an open one there may be one that is settled and still owed.
  const idsOf = (list: Outcome[]) =>
    list.flatMap(({ change }) => (known.get(keyOf(change)) ?? []).map(({ id }) => id));
  await settle(tx, userId, idsOf(done.filter(({ decision }) => decision.write !== undefined)), "KEEP_LOCAL");
  await settle(tx, userId, idsOf(done.filter(({ decision }) => decision.write === undefined)), "KEEP_REMOTE");
  const ids = await keepConflicts(tx, input.writer, [...found.values()]);
  const idOf = new Map([...found.keys()].map((key, index) => [key, ids[index] as string]));
  const idFor = ({ change, decision }: Outcome) =>
    idOf.get(keyOf(change)) ?? (decision.conflict ? openAbout(change)?.id : null) ?? null;
  return outcomes.map((outcome) => ({ ...outcome, conflictId: idFor(outcome) }));
}

/** Runs every kind, parents first, and what follows from links between them. */
async function runKinds(
  tx: Transaction,
  registry: Registry,
  counter: Counter,
  input: ApplyInput,
): Promise<KindResult[]> {
  const runs: KindResult[] = [];
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
function formerLinks(runs: readonly KindResult[]): Link[] {
  const rows = runs
    .filter(({ kind }) => kind === "photoAttachments")
    .flatMap((run) => [...run.staged.values()]);
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

/** Whether an entity came to be there for others to link to, or ceased to be: what links to it shows differently now. */
function appearedOrVanished({ row, encrypted, was }: Staged): boolean {
  const isThere = row.content !== null && !encrypted;
  const wasThere = was !== null && !was.deleted && !was.encrypted;
  return isThere !== wasThere;
}

/** Writes the links that are no entities, and gives what shows differently now a new version. */
async function followLinks(
  tx: Transaction,
  userId: string,
  runs: readonly KindResult[],
  counter: Counter,
): Promise<ReadonlySet<string>> {
  const stagedOf = (kind: Kind) =>
    runs.filter((run) => run.kind === kind).flatMap((run) => [...run.staged.values()]);
  const idsOf = (staged: readonly Staged[]) => staged.map(({ row }) => row.id);
  const changed = (kind: Kind) => idsOf(stagedOf(kind).filter(appearedOrVanished));
  const edits = runs.flatMap((run) => run.edits);
  const written = {
    placeVisits: changed("placeVisits"),
    trips: changed("trips"),
    photos: changed("photos"),
    photoAttachments: idsOf(stagedOf("photoAttachments")),
    links: [...(await writeTripMembers(tx, userId, edits, counter.current)), ...formerLinks(runs)],
  };
  if (Object.values(written).every((list) => list.length === 0)) return new Set();
  const own = new Set(
    runs.flatMap((run) => [...run.staged.keys()].map((id) => keyOf({ kind: run.kind, id }))),
  );
  return touchNeighbours(tx, userId, written, own, () => counter.next());
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
