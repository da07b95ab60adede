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
  /** Which program made it. */
  readonly madeBy: string;
}

/** Days for which the last backup of an older program stays: going back after an upgrade needs it. */
const daysToGoBack = 30;

const dayOf = (at: Date) => `${at.getFullYear()}-${at.getMonth()}-${at.getDate()}`;
const monthOf = (at: Date) => `${at.getFullYear()}-${at.getMonth()}`;

/** Weeks are called by their Monday (ISO 8601). */
function weekOf(at: Date): string {
  const sinceMonday = (at.getDay() + 6) % 7;
  return dayOf(new Date(at.getFullYear(), at.getMonth(), at.getDate() - sinceMonday));
}

/** The newest of each group, the newest group first; one that lacks something only if all do. */
function lastOf(newestFirst: readonly Candidate[], groupOf: (one: Candidate) => string): Candidate[] {
  const chosen = new Map<string, Candidate>();
  for (const candidate of newestFirst) {
    const group = groupOf(candidate);
    const present = chosen.get(group);
    if (!present || (candidate.complete && !present.complete)) chosen.set(group, candidate);
  }
  return [...chosen.values()];
}

/** The last that each older program made, as long as somebody may want to go back to it. */
function beforeUpgrades(newestFirst: readonly Candidate[]): Candidate[] {
  const [newest] = newestFirst;
  const since = (newest?.createdAt.getTime() ?? 0) - daysToGoBack * 24 * 3600 * 1000;
  const older = newestFirst.filter(
    ({ madeBy, createdAt }) => madeBy !== newest?.madeBy && createdAt.getTime() >= since,
  );
  return lastOf(older, ({ madeBy }) => madeBy);
}

/**
 * Chooses the backups that are kept: of each of the last N days, weeks (from Monday) and months the newest, and always
 * the newest of all, the newest that lacks nothing, and for a month the last that an older program made. Days without a backup do not count: a machine that was off for a
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
    ...lastOf(newestFirst, ({ createdAt }) => dayOf(createdAt)).slice(0, policy.daily),
    ...lastOf(newestFirst, ({ createdAt }) => weekOf(createdAt)).slice(0, policy.weekly),
    ...lastOf(newestFirst, ({ createdAt }) => monthOf(createdAt)).slice(0, policy.monthly),
    ...beforeUpgrades(newestFirst),
  ];
  return new Set(kept.map(({ id }) => id));
}
