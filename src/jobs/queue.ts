import { type SQL, sql } from "drizzle-orm";
import type { Database, Queryable, Transaction } from "../database/client.ts";
import { isoInstant } from "../database/instants.ts";
import { isUniqueViolation } from "../database/sqlstate.ts";
import type { Job, JobKind, JobState } from "./job.ts";

/** Seconds for which a run has its job. It says again and again that it lives; else the job is begun anew by another. */
export const leaseSeconds = 30;

/** Where whoever waits for jobs is told that one has come. */
export const jobsChannel = "trailglass_jobs";

export interface NewJob {
  readonly kind: string;
  /** JSON. No secrets, and of what people wrote only what the job cannot find out for itself. */
  readonly payload?: unknown;
  /** There is one job of a kind with a key, for as long as that one is remembered: a week after its end. */
  readonly key?: string;
  /** Seconds for which the key stands for one job at most, where a week after its end is too long. */
  readonly keyFor?: number;
  /** Of the jobs in a lane, one runs at a time. */
  readonly lane?: string;
  readonly ownerId?: string;
  /** When it may begin; at once when not given. */
  readonly inSeconds?: number;
}

/**
 * Asks for a job. In a transaction it is there if that commits, together with what else was written.
 * @returns its id; null when there is one with this key already
 */
export async function enqueue(db: Queryable, job: NewJob): Promise<string | null> {
  const { kind, payload = {}, key = null, keyFor, lane = null, ownerId = null, inSeconds = 0 } = job;
  if (keyFor !== undefined) await freeKey(db, kind, key, keyFor);
  const [made] = await db.execute<{ id: string }>(sql`
    INSERT INTO jobs (id, kind, payload, key, lane, owner_id, run_at)
    VALUES (${crypto.randomUUID()}, ${kind}, ${JSON.stringify(payload)}::text::jsonb, ${key}, ${lane}, ${ownerId},
      now() + make_interval(secs => ${inSeconds}))
    ON CONFLICT (kind, key) DO NOTHING RETURNING id`);
  if (!made) return null;
  await db.execute(sql`SELECT pg_notify(${jobsChannel}, '')`);
  return made.id;
}

/** Whether a job of a lane waits that nobody has begun yet. */
export async function waitsInLane(db: Queryable, lane: string): Promise<boolean> {
  const found = await db.execute(
    sql`SELECT 1 FROM jobs WHERE lane = ${lane} AND state = 'waiting' AND attempts = 0 LIMIT 1`,
  );
  return found.length > 0;
}

async function freeKey(db: Queryable, kind: string, key: string | null, seconds: number): Promise<void> {
  await db.execute(sql`
    UPDATE jobs SET key = NULL
    WHERE kind = ${kind} AND key = ${key} AND created_at <= now() - make_interval(secs => ${seconds})`);
}

/** A job that this run has. */
export interface ClaimedJob extends Job, Record<string, unknown> {
  readonly lease: string;
}

const list = (kinds: readonly string[]) => sql`string_to_array(${kinds.join(",")}, ',')`;

/** No run has a job for so long: one that seems to has gone, with a clock that was far ahead and has been put back. */
const isLeased = sql`lease_until BETWEEN now() AND now() + make_interval(secs => ${20 * leaseSeconds})`;

async function claimOnce(db: Queryable, kinds: readonly string[]): Promise<ClaimedJob | null> {
  const [job] = await db.execute<ClaimedJob>(sql`
    UPDATE jobs SET state = 'running', attempts = attempts + 1, started_at = now(), problem = NULL,
      lease = gen_random_uuid(), lease_until = now() + make_interval(secs => ${leaseSeconds})
    WHERE id = (
      SELECT id FROM jobs j
      WHERE kind = ANY (${list(kinds)})
        AND (state = 'waiting' AND run_at <= now() OR state = 'running' AND NOT ${isLeased})
        AND NOT EXISTS (SELECT FROM jobs o WHERE o.lane = j.lane AND o.state = 'running' AND o.id <> j.id)
      ORDER BY run_at, created_at LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING id, kind, payload, owner_id AS "ownerId", attempts, lease`);
  return job ?? null;
}

/**
 * Takes the job that has been due for longest: one that waits, or one whose run has not said for a while that it lives.
 * @param kinds of which one is wanted
 * @returns null when none is due
 */
export async function claim(db: Queryable, kinds: readonly string[]): Promise<ClaimedJob | null> {
  for (;;) {
    try {
      return await claimOnce(db, kinds);
    } catch (error) {
      // Another server took one of the same lane at the same moment. It is seen now, and another one is looked for.
      if (!isUniqueViolation(error)) throw error;
    }
  }
}

/** Says that a run lives. @returns false when the job is no longer its own */
export async function renew(db: Queryable, { id, lease }: ClaimedJob): Promise<boolean> {
  const renewed = await db.execute(sql`
    UPDATE jobs SET lease_until = now() + make_interval(secs => ${leaseSeconds})
    WHERE id = ${id} AND lease = ${lease} RETURNING id`);
  return renewed.length > 0;
}

/** Ends a run, if it still is one. */
async function end(db: Queryable, { id, lease }: ClaimedJob, changes: SQL): Promise<boolean> {
  const ended = await db.execute(sql`
    UPDATE jobs SET ${changes}, lease = NULL, lease_until = NULL WHERE id = ${id} AND lease = ${lease} RETURNING id`);
  return ended.length > 0;
}

/** It is done. */
export const finish = (db: Queryable, job: ClaimedJob): Promise<boolean> =>
  end(db, job, sql`state = 'done', finished_at = now()`);

/** It was broken off and nobody is to blame: it is begun again as if it had not been. */
export const giveBack = (db: Queryable, job: ClaimedJob): Promise<boolean> =>
  end(db, job, sql`state = 'waiting', attempts = attempts - 1, run_at = now()`);

/** It failed, and is tried again in so many seconds. @param problem nothing of what people wrote */
export const tryLater = (
  db: Queryable,
  job: ClaimedJob,
  problem: string,
  seconds: number,
): Promise<boolean> =>
  end(
    db,
    job,
    sql`state = 'waiting', problem = ${problem}, run_at = now() + make_interval(secs => ${seconds})`,
  );

/** It failed for the last time. */
export async function bury(db: Database, kind: JobKind, job: ClaimedJob, problem: string): Promise<boolean> {
  return db.transaction(async (tx) => {
    const buried = await end(tx, job, sql`state = 'dead', problem = ${problem}, finished_at = now()`);
    if (buried) await kind.givenUp?.(tx, job, problem);
    return buried;
  });
}

/** A job for people to look at. */
export interface ListedJob extends Record<string, unknown> {
  readonly id: string;
  readonly kind: string;
  readonly state: JobState;
  readonly attempts: number;
  readonly createdAt: string;
  /** When it was due, or will be. */
  readonly runAt: string;
  readonly finishedAt: string | null;
  readonly problem: string | null;
}

/** Jobs in some states, the newest first. */
export async function listJobs(
  db: Queryable,
  states: readonly JobState[],
  limit: number,
): Promise<ListedJob[]> {
  return db.execute<ListedJob>(sql`
    SELECT id, kind, state, attempts, ${isoInstant(sql`created_at`)} AS "createdAt", ${isoInstant(sql`run_at`)} AS "runAt",
      ${isoInstant(sql`finished_at`)} AS "finishedAt", problem
    FROM jobs WHERE state = ANY (${list(states)}) ORDER BY created_at DESC, id LIMIT ${limit}`);
}

/** Ids that begin with some characters. @param start of `0-9a-f-`; two are enough to know that it is not clear */
export async function findJobs(db: Queryable, start: string): Promise<string[]> {
  const found = await db.execute<{ id: string }>(
    sql`SELECT id FROM jobs WHERE starts_with(id::text, ${start.toLowerCase()}) LIMIT 2`,
  );
  return found.map(({ id }) => id);
}

/** A job that does not run is begun as soon as somebody can, with all its attempts before it. @returns false when it runs or is done */
export async function retryNow(db: Queryable, id: string): Promise<boolean> {
  const waiting = await db.execute(sql`
    UPDATE jobs SET state = 'waiting', attempts = 0, run_at = now(), finished_at = NULL
    WHERE id = ${id} AND state IN ('waiting', 'dead', 'cancelled') RETURNING id`);
  if (waiting.length > 0) await db.execute(sql`SELECT pg_notify(${jobsChannel}, '')`);
  return waiting.length > 0;
}

/** A job is not done, or not to its end: a run of it notices within ten seconds. @returns false when it has ended already */
export async function cancel(tx: Transaction, kinds: readonly JobKind[], id: string): Promise<boolean> {
  const [job] = await tx.execute<Job & Record<string, unknown>>(sql`
    UPDATE jobs SET state = 'cancelled', lease = NULL, lease_until = NULL, finished_at = now()
    WHERE id = ${id} AND state IN ('waiting', 'running')
    RETURNING id, kind, payload, owner_id AS "ownerId", attempts`);
  if (job) await kinds.find(({ kind }) => kind === job.kind)?.givenUp?.(tx, job, null);
  return job !== undefined;
}

/** Days for which jobs that ended well are remembered, and those that did not. */
const remembered = { well: 7, dead: 90 };

/**
 * Forgets jobs that ended long ago, but for the last that the time of its kind has made: by that one it is known whether a
 * time was missed, which may come once a month only.
 */
export async function forgetOldJobs(db: Queryable): Promise<void> {
  await db.execute(sql`
    DELETE FROM jobs WHERE (state IN ('done', 'cancelled') AND finished_at < now() - make_interval(days => ${remembered.well})
        OR state = 'dead' AND finished_at < now() - make_interval(days => ${remembered.dead}))
      AND id NOT IN (SELECT DISTINCT ON (kind) id FROM jobs WHERE lane = kind ORDER BY kind, created_at DESC)`);
}
