import { sql } from "drizzle-orm";
import type { Queryable } from "../database/client.ts";
import type { JobState } from "./job.ts";

export interface JobCount extends Record<string, unknown> {
  readonly kind: string;
  readonly state: JobState;
  readonly count: number;
}

/** How many jobs there are, of those that are remembered. */
export async function countJobs(db: Queryable): Promise<JobCount[]> {
  return db.execute<JobCount>(
    sql`SELECT kind, state, count(*) AS count FROM jobs GROUP BY kind, state ORDER BY kind, state`,
  );
}

/** What somebody should know of the jobs. */
export interface JobTroubles extends Record<string, unknown> {
  /**
   * Seconds that a job has been due for without anybody beginning it. Those behind another of their kind do not count,
   * unless that has run for more than a day: it hangs, on a disk that does not answer perhaps.
   */
  readonly waitingSeconds: number;
  /** Kinds that were given up within a week, and have not come out well since. */
  readonly failingKinds: number;
}

/** Seconds after which a job that nobody has begun is late: a running server looks for them every ten. */
export const lateAfter = 900;

/** Looks for jobs that nobody does, and for those that cannot be done. */
export async function findJobTroubles(db: Queryable): Promise<JobTroubles> {
  const [found] = await db.execute<JobTroubles>(sql`
    SELECT
      (SELECT coalesce(extract(epoch FROM max(now() - coalesce(lease_until, run_at))), 0)::float8 FROM jobs j
        WHERE (state = 'waiting' AND run_at <= now() OR state = 'running' AND lease_until <= now())
          AND NOT EXISTS (SELECT FROM jobs o WHERE o.kind = j.kind AND o.state = 'running' AND o.lease_until > now()
            AND o.started_at > now() - interval '1 day')
      ) AS "waitingSeconds",
      -- The last of each kind, and not each of the dead against all that were done: there may be thousands of both.
      (SELECT count(*) FROM (
        SELECT max(finished_at) FILTER (WHERE state = 'dead') AS dead, max(finished_at) FILTER (WHERE state = 'done') AS done
        FROM jobs GROUP BY kind) kinds
        WHERE dead > now() - interval '7 days' AND (done IS NULL OR done <= dead)
      ) AS "failingKinds"`);
  return found ?? { waitingSeconds: 0, failingKinds: 0 };
}

/** How the last attempt at a kind of job came out; null when there was none that is remembered. */
export async function lastAttempt(db: Queryable, kind: string): Promise<"well" | "badly" | null> {
  const [last] = await db.execute<{ state: JobState }>(sql`
    SELECT state FROM jobs
    WHERE kind = ${kind} AND (state IN ('done', 'dead') OR state = 'waiting' AND problem IS NOT NULL)
    ORDER BY started_at DESC LIMIT 1`);
  if (!last) return null;
  return last.state === "done" ? "well" : "badly";
}
