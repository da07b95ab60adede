/** How many backups are kept: of days, of weeks, of months. */
export interface KeepPolicy {
  readonly daily: number;
  readonly weekly: number;
  readonly monthly: number;
}

/** A backup that may be kept. */
export interface Candidate {
  readonly id: string;
  /** The instant that it shows. */
  readonly createdAt: Date;
  /** Whether everything that should be in it is. */
  readonly complete: boolean;
}

const dayOf = (at: Date) => `${at.getFullYear()}-${at.getMonth()}-${at.getDate()}`;
const monthOf = (at: Date) => `${at.getFullYear()}-${at.getMonth()}`;

/** Weeks are called by their Monday (ISO 8601). */
function weekOf(at: Date): string {
  const sinceMonday = (at.getDay() + 6) % 7;
  return dayOf(new Date(at.getFullYear(), at.getMonth(), at.getDate() - sinceMonday));
}

/** The newest of each of the last so many periods that have a backup; one that lacks something only if all do. */
function lastOf(
  newestFirst: readonly Candidate[],
  count: number,
  periodOf: (at: Date) => string,
): Candidate[] {
  const chosen = new Map<string, Candidate>();
  for (const candidate of newestFirst) {
    const period = periodOf(candidate.createdAt);
    const present = chosen.get(period);
    if (!present || (candidate.complete && !present.complete)) chosen.set(period, candidate);
  }
  return [...chosen.values()].slice(0, count);
}

/**
 * Chooses the backups that are kept: of each of the last N days, weeks (from Monday) and months the newest, and always
 * the newest of all and the newest that lacks nothing. Days without a backup do not count: a machine that was off for a
 * month still has what it had. Days begin at midnight in the machine's time zone, as BACKUP_SCHEDULE does.
 * @returns their ids
 */
export function chooseKept(snapshots: readonly Candidate[], policy: KeepPolicy): Set<string> {
  const newestFirst = snapshots.toSorted(
    (one, other) => other.createdAt.getTime() - one.createdAt.getTime() || (one.id < other.id ? 1 : -1),
  );
  const always = [newestFirst[0], newestFirst.find(({ complete }) => complete)];
  const kept = [
    ...always.filter((candidate) => candidate !== undefined),
    ...lastOf(newestFirst, policy.daily, dayOf),
    ...lastOf(newestFirst, policy.weekly, weekOf),
    ...lastOf(newestFirst, policy.monthly, monthOf),
  ];
  return new Set(kept.map(({ id }) => id));
}
