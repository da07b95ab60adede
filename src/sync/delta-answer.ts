import type { Outcome } from "./apply-changes.ts";
import type { InvalidItem } from "./change.ts";
import { localSide, remoteSide } from "./conflicts.ts";
import type { DeltaResult } from "./delta-page.ts";
import { type Kind, kinds, type Registry } from "./entity.ts";
import { snapshotMap } from "./snapshot-map.ts";

/** Kinds whose conflicts phones know; the others are settled without asking. */
const askedAbout = new Set<Kind>(["locations", "placeVisits", "trips", "photos"]);

function conflictEntry(registry: Registry, { change, decision, stored, conflictId }: Outcome) {
  const entity = registry.find(({ kind }) => kind === change.kind);
  if (!entity || !stored || !decision.conflict) return [];
  return [
    {
      conflictId,
      entityType: entity.type,
      entityId: change.id,
      conflictType: decision.conflict.type,
      localVersion: snapshotMap(entity, change.id, localSide(change)),
      remoteVersion: snapshotMap(entity, change.id, remoteSide(stored)),
      suggestedResolution: decision.conflict.suggestion,
    },
  ];
}

const listsOf = <T>(list: (kind: Kind) => T) =>
  Object.fromEntries(kinds.map((kind) => [kind, list(kind)])) as Record<Kind, T>;

function rejections(kind: Kind, outcomes: readonly Outcome[], invalid: readonly InvalidItem[]) {
  return [
    ...outcomes
      .filter(({ change, decision }) => change.kind === kind && !decision.accepted)
      .map(({ change, conflictId, contradiction }) =>
        contradiction === null
          ? { id: change.id, reason: "CONFLICT", conflictId }
          : { id: change.id, reason: "INVALID", conflictId: null, message: contradiction },
      ),
    ...invalid
      .filter((item) => item.kind === kind)
      .map(({ id, message }) => ({ id, reason: "INVALID", conflictId: null, message })),
  ];
}

/** Everything but the remote changes, which are text already. */
function frameOf(registry: Registry, result: DeltaResult, invalid: readonly InvalidItem[]) {
  const { outcomes, page: _page, ...numbers } = result;
  const refused = outcomes.filter(
    ({ change, decision }) => !decision.accepted && askedAbout.has(change.kind),
  );
  return {
    ...numbers,
    syncTimestamp: new Date().toISOString(),
    conflicts: refused.flatMap((outcome) => conflictEntry(registry, outcome)),
    accepted: listsOf((kind) => [
      ...new Set(
        outcomes
          .filter(({ change, decision }) => change.kind === kind && decision.accepted)
          .map(({ change }) => change.id),
      ),
    ]),
    rejected: listsOf((kind) => rejections(kind, outcomes, invalid)),
  };
}

function* listText(name: string, texts: readonly string[]): Generator<string> {
  yield `"${name}":[`;
  for (const [index, text] of texts.entries()) yield index === 0 ? text : `,${text}`;
  yield "]";
}

/** The text of an answer, piece by piece. Settings are one object or null; all others are lists. */
function* answerText(
  registry: Registry,
  result: DeltaResult,
  invalid: readonly InvalidItem[],
): Generator<string> {
  const { lists } = result.page;
  yield `${JSON.stringify(frameOf(registry, result, invalid)).slice(0, -1)},"remoteChanges":{`;
  for (const kind of kinds) {
    if (kind === "settings") yield `"settings":${lists.get(kind)?.live[0] ?? "null"}`;
    else yield* listText(kind, lists.get(kind)?.live ?? []);
    yield ",";
  }
  yield `"deletedIds":{`;
  for (const [index, kind] of kinds.filter((name) => name !== "settings").entries()) {
    if (index > 0) yield ",";
    yield* listText(kind, lists.get(kind)?.deleted ?? []);
  }
  yield "}}}";
}

/** Joins small pieces, so that a stream does not consist of commas. */
function* inPieces(texts: Iterable<string>, characters: number): Generator<string> {
  let piece = "";
  for (const text of texts) {
    piece += text;
    if (piece.length < characters) continue;
    yield piece;
    piece = "";
  }
  yield piece;
}

/** Characters up to which an answer is sent whole, with its length. */
const pieceCharacters = 256 * 1024;

/**
 * The answer to a delta. A large one is handed out only as fast as the phone takes it: pieces are encoded when they
 * are asked for.
 */
export function deltaResponse(
  registry: Registry,
  result: DeltaResult,
  invalid: readonly InvalidItem[],
): Response {
  const pieces = inPieces(answerText(registry, result, invalid), pieceCharacters);
  const headers = { "Content-Type": "application/json; charset=utf-8" };
  const first = pieces.next().value ?? "";
  const second = pieces.next();
  if (second.done) return new Response(first, { headers });
  const encoder = new TextEncoder();
  const waiting = [first, second.value];
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const next = waiting.shift() ?? pieces.next().value;
        if (next === undefined) controller.close();
        else controller.enqueue(encoder.encode(next));
      },
    },
    { highWaterMark: 0 },
  );
  return new Response(body, { headers });
}
