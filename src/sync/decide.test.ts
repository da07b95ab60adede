import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Change } from "./change.ts";
import {
  type Case,
  type Decision,
  decideFact,
  decideLastWriter,
  decideVersioned,
  isLater,
  type OpenConflict,
  type Stored,
} from "./decide.ts";

const me = "22222222-2222-4222-8222-222222222222";
const other = "11111111-1111-4111-8111-111111111111";
const early = "2025-01-01T00:00:00.000Z";
const late = "2025-01-02T00:00:00.000Z";

const mine = { notes: "mine" };
const theirs = { notes: "theirs" };

/** What another device wrote at version 5. */
function stored(given: Partial<Stored> = {}): Stored {
  return {
    version: 5,
    serverVersion: 5,
    deviceId: other,
    localVersion: 3,
    lastModified: early,
    deleted: false,
    encrypted: false,
    content: theirs,
    links: [],
    ...given,
  };
}

/** An edit of this device that knew version 4. */
function change(given: Partial<Change> = {}): Change {
  return {
    kind: "placeVisits",
    id: "v",
    deleted: false,
    content: mine,
    encrypted: false,
    base: 4,
    localVersion: 7,
    lastModified: late,
    reading: "delta",
    strict: false,
    ...given,
  };
}

function at(given: Partial<Case> = {}): Case {
  const incoming = given.change ?? change();
  const present = given.stored === undefined ? stored() : given.stored;
  const same =
    present !== null &&
    present.deleted === incoming.deleted &&
    (incoming.deleted || Bun.deepEquals(present.content, incoming.content));
  return {
    stored: present,
    change: incoming,
    merged: incoming.content,
    same,
    deviceId: me,
    openConflict: null,
    lastSyncVersion: null,
    ...given,
  };
}

const deletion = (given: Partial<Change> = {}) => change({ deleted: true, content: null, ...given });
const tombstone = (given: Partial<Stored> = {}) => stored({ deleted: true, content: {}, ...given });

const nothing: Decision = { accepted: true, agrees: true };
const duplicate: Decision = { accepted: true, agrees: false };
const written = (write: Decision["write"]): Decision =>
  write === undefined ? nothing : { accepted: true, agrees: true, write };
const refusedWith = (type: string, suggestion: string) => ({
  accepted: false,
  agrees: false,
  conflict: { type, suggestion, settled: suggestion === "KEEP_REMOTE" ? suggestion : null },
});

describe("visits, trips and photos", () => {
  const cases: [rule: string, input: Case, decision: unknown][] = [
    ["1: what is new is written", at({ stored: null }), written(mine)],
    ["1: a deletion of what never was", at({ stored: null, change: deletion() }), nothing],
    [
      "1 comes before strictness",
      at({ stored: null, change: change({ strict: true, base: null }) }),
      written(mine),
    ],
    ["2: the same content", at({ change: change({ content: theirs }) }), nothing],
    ["2: the same without a base", at({ change: change({ content: theirs, base: null }) }), nothing],
    [
      "2 comes before 3: nothing is written although the base would allow it",
      at({ change: change({ content: theirs, base: 9 }) }),
      nothing,
    ],
    [
      "2 comes before 4: nothing is written although it is this device's own",
      at({ stored: stored({ deviceId: me }), change: change({ content: theirs }) }),
      nothing,
    ],
    ["2: both deleted", at({ stored: tombstone(), change: deletion({ base: null }) }), nothing],
    ["3: the base is the stored version", at({ change: change({ base: 5 }) }), written(mine)],
    ["3: the base is beyond it", at({ change: change({ base: 6 }) }), written(mine)],
    [
      "3: a base one below is none",
      at({ change: change({ base: 4 }) }),
      refusedWith("CONCURRENT_MODIFICATION", "KEEP_LOCAL"),
    ],
    ["3: a knowing deletion", at({ change: deletion({ base: 5 }) }), written(null)],
    [
      "3: a tombstone comes alive, knowingly",
      at({ stored: tombstone(), change: change({ base: 5 }) }),
      written(mine),
    ],
    ["3 holds for compare-and-set", at({ change: change({ base: 5, strict: true }) }), written(mine)],
    [
      "3 comes before 4: a late duplicate cannot know the stored version",
      at({ stored: stored({ deviceId: me, localVersion: 9 }), change: change({ base: 5, localVersion: 7 }) }),
      written(mine),
    ],
    ["4: its own, later", at({ stored: stored({ deviceId: me, localVersion: 6 }) }), written(mine)],
    ["4: its own, as late", at({ stored: stored({ deviceId: me, localVersion: 7 }) }), written(mine)],
    [
      "4: its own without a base",
      at({ stored: stored({ deviceId: me }), change: change({ base: null }) }),
      written(mine),
    ],
    ["4: its own, a late duplicate", at({ stored: stored({ deviceId: me, localVersion: 8 }) }), duplicate],
    [
      "4: the stored localVersion is missing",
      at({ stored: stored({ deviceId: me, localVersion: null }) }),
      written(mine),
    ],
    [
      "4: the given localVersion is missing",
      at({ stored: stored({ deviceId: me, localVersion: 8 }), change: change({ localVersion: null }) }),
      written(mine),
    ],
    ["4: its own, deleted", at({ stored: stored({ deviceId: me }), change: deletion() }), written(null)],
    [
      "4 holds not for compare-and-set",
      at({ stored: stored({ deviceId: me }), change: change({ strict: true }) }),
      refusedWith("CONCURRENT_MODIFICATION", "KEEP_LOCAL"),
    ],
    [
      "4 is not for what the server wrote itself",
      at({ stored: stored({ deviceId: null }) }),
      refusedWith("CONCURRENT_MODIFICATION", "KEEP_LOCAL"),
    ],
    [
      "6: an older edit",
      at({ stored: stored({ lastModified: late }), change: change({ lastModified: early }) }),
      refusedWith("CONCURRENT_MODIFICATION", "KEEP_REMOTE"),
    ],
    [
      "6: both at one time",
      at({ stored: stored({ lastModified: late }) }),
      refusedWith("CONCURRENT_MODIFICATION", "MANUAL"),
    ],
    [
      "6: nobody knows when",
      at({ change: change({ lastModified: null }) }),
      refusedWith("CONCURRENT_MODIFICATION", "MANUAL"),
    ],
    [
      "6: without a base",
      at({ change: change({ base: null }) }),
      refusedWith("VERSION_MISMATCH", "KEEP_LOCAL"),
    ],
    ["6: an edit meets a deletion", at({ stored: tombstone() }), refusedWith("DELETION_CONFLICT", "MANUAL")],
    [
      "6: an edit meets a later deletion: still nobody decides unasked",
      at({ stored: tombstone({ lastModified: late }), change: change({ lastModified: early, base: null }) }),
      refusedWith("DELETION_CONFLICT", "MANUAL"),
    ],
    [
      "6: a deletion meets an edit",
      at({ stored: stored({ lastModified: late }), change: deletion({ lastModified: early }) }),
      refusedWith("DELETION_CONFLICT", "MANUAL"),
    ],
    [
      "6: an envelope meets clear text",
      at({ change: change({ encrypted: true, content: { encryptedData: "a:b:c" } }), same: false }),
      refusedWith("CONCURRENT_MODIFICATION", "MANUAL"),
    ],
    [
      "6: clear text meets an envelope",
      at({ stored: stored({ encrypted: true }), change: change({ lastModified: early }), same: false }),
      refusedWith("CONCURRENT_MODIFICATION", "MANUAL"),
    ],
    [
      "6: two envelopes",
      at({ stored: stored({ encrypted: true }), change: change({ encrypted: true }), same: false }),
      refusedWith("CONCURRENT_MODIFICATION", "KEEP_LOCAL"),
    ],
  ];
  for (const [rule, input, decision] of cases) {
    test(rule, () => expect(decideVersioned(input)).toEqual(decision as Decision));
  }
});

describe("5: a knowing repeat", () => {
  const told: OpenConflict = { remoteVersion: 5, reportedVersion: 6, localVersion: 6 };
  const repeat = (open: OpenConflict | null, given: Partial<Case> = {}) =>
    decideVersioned(at({ openConflict: open, lastSyncVersion: 6, ...given }));

  test("is written when all of its conditions hold", () => {
    expect(repeat(told)).toEqual(written(mine));
    expect(repeat(told, { lastSyncVersion: 9 })).toEqual(written(mine));
    expect(repeat(told, { change: deletion() })).toEqual(written(null));
    expect(repeat(told, { stored: tombstone() })).toEqual(written(mine));
    expect(repeat(told, { change: change({ base: null }) })).toEqual(written(mine));
  });

  test.each<[missing: string, open: OpenConflict | null, given: Partial<Case>]>([
    ["an open conflict", null, {}],
    ["the remote side that was shown", { ...told, remoteVersion: 4 }, {}],
    ["the answer that reported it", { ...told, reportedVersion: null }, {}],
    ["a cursor that shows that it arrived", told, { lastSyncVersion: 5 }],
    ["a cursor", told, { lastSyncVersion: null }],
    ["a greater localVersion", { ...told, localVersion: 7 }, {}],
    ["a localVersion of now", told, { change: change({ localVersion: null }) }],
    ["a localVersion of then", { ...told, localVersion: null }, {}],
    ["the wish to overwrite: it is compare-and-set", told, { change: change({ strict: true }) }],
  ])("is a conflict without %s", (_missing, open, given) => {
    expect(repeat(open, given)).toEqual(refusedWith("CONCURRENT_MODIFICATION", "KEEP_LOCAL") as Decision);
  });
});

describe("locations", () => {
  const envelope = change({ encrypted: true, content: { encryptedData: "a:b:c", encryptionVersion: 1 } });
  test.each<[what: string, input: Case, decision: Decision]>([
    ["a new one is written", at({ stored: null }), written(mine)],
    ["a deletion of what never was", at({ stored: null, change: deletion() }), nothing],
    ["the same again", at({ change: change({ content: theirs }) }), nothing],
    ["the first write wins, and the later writer has to be told", at(), duplicate],
    ["the first write wins also over a newer base", at({ change: change({ base: 9 }) }), duplicate],
    ["a deletion always wins", at({ change: deletion({ base: null }) }), written(null)],
    ["a deletion of what is deleted", at({ stored: tombstone(), change: deletion() }), nothing],
    [
      "a tombstone stays, also for who knows it",
      at({ stored: tombstone(), change: change({ base: 5 }) }),
      duplicate,
    ],
    [
      "an envelope takes the place of clear text",
      at({ change: envelope, same: false }),
      written(envelope.content),
    ],
    [
      "clear text does not take the place of an envelope",
      at({ stored: stored({ encrypted: true }), same: false }),
      duplicate,
    ],
    [
      "an envelope does not bring a deleted point back",
      at({ stored: tombstone(), change: envelope, same: false }),
      duplicate,
    ],
  ])("%s", (_what, input, decision) => {
    expect(decideFact(input)).toEqual(decision);
  });
});

describe("the last writer wins", () => {
  const won = { type: "CONCURRENT_MODIFICATION", suggestion: "KEEP_LOCAL", settled: "KEEP_LOCAL" };
  const lost = { type: "CONCURRENT_MODIFICATION", suggestion: "KEEP_REMOTE", settled: "KEEP_REMOTE" };
  const loses = { accepted: false, agrees: false, conflict: lost };
  const wins = { accepted: true, agrees: true, write: mine, conflict: won };
  test.each<[what: string, input: Case, decision: unknown]>([
    ["a later one, its loser kept", at(), wins],
    [
      "an older one loses",
      at({ stored: stored({ lastModified: late }), change: change({ lastModified: early }) }),
      loses,
    ],
    ["of two at one time the greater device wins", at({ stored: stored({ lastModified: late }) }), wins],
    [
      "and the smaller loses",
      at({ stored: stored({ lastModified: late, deviceId: me }), deviceId: other }),
      loses,
    ],
    ["one of unknown time loses", at({ change: change({ lastModified: null }) }), loses],
    [
      "whoever knew of it writes without a conflict",
      at({ change: change({ base: 5 }) }),
      { ...written(mine), lastModified: late },
    ],
    [
      "also by a clock that is behind, and is kept as later than what it replaced",
      at({ stored: stored({ lastModified: late }), change: change({ base: 5, lastModified: early }) }),
      { ...written(mine), lastModified: "2025-01-02T00:00:00.001Z" },
    ],
    ["the same again", at({ change: change({ content: theirs, lastModified: early }) }), nothing],
    [
      "compare-and-set is refused, and nothing is settled",
      at({ change: change({ strict: true }) }),
      { accepted: false, agrees: false, conflict: { ...lost, settled: null } },
    ],
    [
      "a deletion that is later",
      at({ change: deletion() }),
      { accepted: true, agrees: true, write: null, conflict: { ...won, type: "DELETION_CONFLICT" } },
    ],
  ])("%s", (_what, input, decision) => {
    expect(decideLastWriter(input)).toEqual(decision as Decision);
  });

  test("two devices agree on who was later, whoever asks", () => {
    const time = fc.constantFrom(early, late);
    const device = fc.constantFrom(me, other);
    fc.assert(
      fc.property(time, device, time, device, (timeA, a, timeB, b) => {
        fc.pre(a !== b);
        expect(isLater(timeA, a, timeB, b)).toBe(!isLater(timeB, b, timeA, a));
      }),
    );
  });
});

describe("whatever comes", () => {
  const small = fc.integer({ min: 1, max: 6 });
  const maybeSmall = fc.option(small, { nil: null });
  const device = fc.constantFrom(me, other);
  const content = fc.constantFrom({ notes: "a" }, { notes: "b" });
  const storedAny: fc.Arbitrary<Stored> = fc
    .record({
      version: small,
      deviceId: fc.option(device, { nil: null }),
      localVersion: maybeSmall,
      lastModified: fc.constantFrom(early, late),
      deleted: fc.boolean(),
      content,
    })
    .map((given) =>
      stored({ ...given, serverVersion: given.version, ...(given.deleted && { content: {} }) }),
    );
  const changeAny: fc.Arbitrary<Change> = fc
    .record({
      deleted: fc.boolean(),
      content,
      base: maybeSmall,
      localVersion: maybeSmall,
      lastModified: fc.option(fc.constantFrom(early, late), { nil: null }),
      strict: fc.boolean(),
    })
    .map((given) => change({ ...given, content: given.deleted ? null : given.content }));
  const conflictAny = fc.record({
    remoteVersion: small,
    reportedVersion: maybeSmall,
    localVersion: maybeSmall,
  });
  const caseAny: fc.Arbitrary<Case> = fc
    .record({
      stored: fc.option(storedAny, { nil: null }),
      change: changeAny,
      openConflict: fc.option(conflictAny, { nil: null }),
      lastSyncVersion: maybeSmall,
    })
    .map(at);
  const rules = [decideVersioned, decideFact, decideLastWriter];

  /** The world after a decision was carried out. */
  function after(input: Case, { write }: Decision): Case {
    if (write === undefined) return input;
    const next = stored({
      version: 10,
      serverVersion: 10,
      deviceId: input.deviceId,
      localVersion: input.change.localVersion,
      lastModified: input.change.lastModified ?? late,
      deleted: write === null,
      content: write ?? {},
    });
    return at({ ...input, stored: next, ...sameAs(next, input.change) });
  }
  const sameAs = (present: Stored, { deleted, content: said }: Change) => ({
    same: present.deleted === deleted && (deleted || Bun.deepEquals(present.content, said)),
  });

  test("a repeat of what was accepted is accepted and writes nothing (rule 2)", () => {
    fc.assert(
      fc.property(caseAny, fc.constantFrom(...rules), (input, decide) => {
        const first = decide(input);
        fc.pre(first.accepted && first.agrees);
        expect(decide(after(input, first))).toEqual(nothing);
      }),
      { numRuns: 3000 },
    );
  });

  test("nothing is written when the same is stored already", () => {
    fc.assert(
      fc.property(caseAny, fc.constantFrom(...rules), (input, decide) => {
        fc.pre(input.same);
        expect(decide(input)).toEqual(nothing);
      }),
      { numRuns: 3000 },
    );
  });

  test("a compare-and-set is written onto a version that it knows, or not at all (no rules 4 and 5)", () => {
    fc.assert(
      fc.property(caseAny, fc.constantFrom(decideVersioned, decideLastWriter), (input, decide) => {
        fc.pre(input.change.strict && input.stored !== null && decide(input).write !== undefined);
        expect(input.change.base).toBeGreaterThanOrEqual(input.stored?.version ?? 0);
      }),
      { numRuns: 3000 },
    );
  });

  test("a change is accepted or refused with a conflict, never dropped", () => {
    fc.assert(
      fc.property(caseAny, fc.constantFrom(...rules), (input, decide) => {
        const decision = decide(input);
        expect(decision.accepted || decision.conflict !== undefined).toBe(true);
        if (!decision.accepted) expect(decision.write).toBeUndefined();
      }),
      { numRuns: 3000 },
    );
  });

  test("clocks decide nothing about visits, trips and photos but what is suggested", () => {
    const times = fc.constantFrom(null, early, late);
    fc.assert(
      fc.property(caseAny, times, (input, lastModified) => {
        const { conflict, ...here } = decideVersioned(input);
        const moved = { ...input, change: { ...input.change, lastModified } };
        const { conflict: there, ...then } = decideVersioned(moved);
        expect(then).toEqual(here);
        expect(there?.type).toBe(conflict?.type as never);
      }),
      { numRuns: 3000 },
    );
  });
});
