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

function* listText(name: string, texts: readonly Uint8Array[]): Generator<string | Uint8Array> {
  yield `"${name}":[`;
  for (const [index, text] of texts.entries()) {
    if (index > 0) yield ",";
    yield text;
  }
  yield "]";
}

/** The text of an answer, piece by piece. Settings are one object or null; all others are lists. */
function* answerText(
  registry: Registry,
  result: DeltaResult,
  invalid: readonly InvalidItem[],
): Generator<string | Uint8Array> {
  const { lists } = result.page;
  yield `${JSON.stringify(frameOf(registry, result, invalid)).slice(0, -1)},"remoteChanges":{`;
  for (const kind of kinds) {
    if (kind === "settings") {
      yield '"settings":';
      yield lists.get(kind)?.live[0] ?? "null";
    } else yield* listText(kind, lists.get(kind)?.live ?? []);
    yield ",";
  }
  yield `"deletedIds":{`;
  for (const [index, kind] of kinds.filter((name) => name !== "settings").entries()) {
    if (index > 0) yield ",";
    yield* listText(kind, lists.get(kind)?.deleted ?? []);
  }
  yield "}}}";
}

/** Bytes up to which an answer is sent whole, with its length, and pieces of a larger one are joined. */
const pieceBytes = 256 * 1024;

/** Bytes of an answer that are worth collecting at once. */
const wasteBytes = 2_000_000;

/** Joins small pieces, so that a stream does not consist of commas; large ones pass through as they are. */
function* inPieces(texts: Iterable<string | Uint8Array>): Generator<Uint8Array> {
  let small: Uint8Array[] = [];
  let bytes = 0;
  for (const text of texts) {
    const piece = typeof text === "string" ? Buffer.from(text) : text;
    if (bytes > 0 && bytes + piece.byteLength > pieceBytes) {
      yield Buffer.concat(small);
      small = [];
      bytes = 0;
    }
    if (piece.byteLength > pieceBytes) yield piece;
    else {
      small.push(piece);
      bytes += piece.byteLength;
    }
  }
  yield Buffer.concat(small);
}

/** The answer to a delta. A large one is handed out only as fast as the phone takes it. */
export function deltaResponse(
  registry: Registry,
  result: DeltaResult,
  invalid: readonly InvalidItem[],
): Response {
  const pieces = inPieces(answerText(registry, result, invalid));
  const headers = { "Content-Type": "application/json; charset=utf-8" };
  const first = pieces.next().value ?? new Uint8Array();
  const second = pieces.next();
  if (second.done) return new Response(first as Uint8Array<ArrayBuffer>, { headers });
  const waiting = [first, second.value];
  let sent = 0;
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const next = waiting.shift() ?? pieces.next().value;
        if (next) {
          sent += next.byteLength;
          return controller.enqueue(next);
        }
        controller.close();
        // The collector goes by the memory of the machine: left alone, it would let a long sync pile up its pages.
        if (sent >= wasteBytes) Bun.gc(true);
      },
    },
    { highWaterMark: 0 },
  );
  return new Response(body, { headers });
}
