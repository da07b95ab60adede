import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Candidate, chooseKept, type KeepPolicy } from "../../src/backup/keep.ts";

const day = 24 * 60 * 60 * 1000;
const at = (createdAt: Date, complete = true, madeBy = "1"): Candidate => ({
  id: createdAt.toISOString(),
  createdAt,
  complete,
  madeBy,
});
/** Noon, so that no clock change moves it to another day. */
const noon = (daysAgo: number) => new Date(2026, 10, 22 - daysAgo, 12);
const nightly = (days: number) => Array.from({ length: days }, (_, ago) => at(noon(ago)));
const kept = (snapshots: Candidate[], policy: KeepPolicy) =>
  [...chooseKept(snapshots, policy)].sort().reverse();
const idsOf = (...ago: number[]) => ago.map((days) => noon(days).toISOString());

describe("which backups are kept", () => {
  test("the last of so many days", () => {
    expect(kept(nightly(30), { daily: 3, weekly: 0, monthly: 0 })).toEqual(idsOf(0, 1, 2));
  });

  test("for a month, the last that an older program made", () => {
    const before = [at(noon(20), true, "0"), at(noon(12), true, "0"), at(noon(11), false, "0")];
    const policy = { daily: 1, weekly: 0, monthly: 0 };
    expect(kept([...before, ...nightly(3)], policy)).toEqual(idsOf(0, 12));
    expect(kept([at(noon(31), true, "0"), ...nightly(3)], policy)).toEqual(idsOf(0));
  });

  test("the newest of a day", () => {
    const morning = at(new Date(2026, 10, 22, 3));
    const evening = at(new Date(2026, 10, 22, 23, 59));
    const next = at(new Date(2026, 10, 23, 0, 1));
    expect(kept([morning, evening, next], { daily: 2, weekly: 0, monthly: 0 })).toEqual([
      next.id,
      evening.id,
    ]);
  });

  test("the last of weeks that begin on Monday", () => {
    // The 22nd is a Sunday: its week has seven days, and the one before ends on the 15th.
    expect(kept(nightly(30), { daily: 1, weekly: 3, monthly: 0 })).toEqual(idsOf(0, 7, 14));
  });

  test("the last of months", () => {
    expect(kept(nightly(100), { daily: 1, weekly: 0, monthly: 3 })).toEqual(idsOf(0, 22, 53));
  });

  test("days without a backup do not count", () => {
    const sparse = [at(noon(0)), at(noon(40)), at(noon(90))];
    expect(kept(sparse, { daily: 3, weekly: 0, monthly: 0 })).toEqual(idsOf(0, 40, 90));
  });

  test("one that lacks nothing rather than a newer one of the day that does", () => {
    const [whole, half] = [at(new Date(2026, 10, 21, 3)), at(new Date(2026, 10, 21, 4), false)];
    const newest = at(noon(0), false);
    const found = chooseKept([whole, half, newest], { daily: 2, weekly: 0, monthly: 0 });
    expect([...found].sort()).toEqual([whole.id, newest.id]);
  });
});

const moments = fc.integer({ min: 0, max: 400 * 24 }).map((hours) => new Date(Date.UTC(2026, 0, 1, hours)));
const snapshots = fc
  .uniqueArray(moments, { selector: (moment) => moment.getTime(), maxLength: 80 })
  .chain((times) =>
    fc
      .array(fc.boolean(), { minLength: times.length, maxLength: times.length })
      .map((flags) => times.map((time, index) => at(time, flags[index]))),
  );
const policies = fc.record({
  daily: fc.integer({ min: 1, max: 10 }),
  weekly: fc.integer({ min: 0, max: 6 }),
  monthly: fc.integer({ min: 0, max: 8 }),
});
const newest = (candidates: Candidate[]) =>
  candidates.toSorted((one, other) => other.createdAt.getTime() - one.createdAt.getTime())[0];

describe("whatever there is", () => {
  test("the newest stays, and the newest that lacks nothing", () => {
    fc.assert(
      fc.property(snapshots, policies, (candidates, policy) => {
        const found = chooseKept(candidates, policy);
        for (const one of [newest(candidates), newest(candidates.filter(({ complete }) => complete))])
          if (one) expect(found.has(one.id)).toBe(true);
      }),
    );
  });

  test("no more stay than the policy has places, and only such as there are", () => {
    fc.assert(
      fc.property(snapshots, policies, (candidates, policy) => {
        const found = chooseKept(candidates, policy);
        expect(found.size).toBeLessThanOrEqual(policy.daily + policy.weekly + policy.monthly + 2);
        const ids = new Set(candidates.map(({ id }) => id));
        for (const id of found) expect(ids.has(id)).toBe(true);
      }),
    );
  });

  test("each of the last days has one", () => {
    fc.assert(
      fc.property(snapshots, policies, (candidates, policy) => {
        const found = chooseKept(candidates, policy);
        const days = [...new Set(candidates.map(({ createdAt }) => createdAt.toDateString()))].sort(
          (one, other) => Date.parse(other) - Date.parse(one),
        );
        const having = new Set(
          candidates.filter(({ id }) => found.has(id)).map(({ createdAt }) => createdAt.toDateString()),
        );
        for (const one of days.slice(0, policy.daily)) expect(having.has(one)).toBe(true);
      }),
    );
  });

  test("pruning again right away removes nothing, and one more backup never more than it has to", () => {
    fc.assert(
      fc.property(snapshots, policies, (candidates, policy) => {
        const first = chooseKept(candidates, policy);
        const left = candidates.filter(({ id }) => first.has(id));
        expect(chooseKept(left, policy)).toEqual(first);
        const tomorrow = at(new Date((newest(candidates)?.createdAt.getTime() ?? 0) + day));
        expect(chooseKept([...left, tomorrow], policy).has(tomorrow.id)).toBe(true);
      }),
    );
  });
});
