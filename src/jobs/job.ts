import { z } from "zod";
import type { Transaction } from "../database/client.ts";

export const jobStates = ["waiting", "running", "done", "dead", "cancelled"] as const;
export type JobState = (typeof jobStates)[number];

/** A job as it stands in the database. */
export interface Job {
  readonly id: string;
  readonly kind: string;
  /** Checked anew by whoever runs it: an older program may have written it. */
  readonly payload: unknown;
  readonly ownerId: string | null;
  /** How often it was begun, this time included. */
  readonly attempts: number;
}

/** What a running job is given beside its payload. */
export interface JobRun {
  readonly job: Job;
  /** Aborted when the server stops, or the job is no longer this run's: what is left of it is then not to be done. */
  readonly signal: AbortSignal;
}

/** A kind of job: what is done, and how often it is tried. */
export interface JobKind {
  readonly kind: string;
  /**
   * Does it. A job runs at least once, and again after a server was killed in its middle: it has to come out the same.
   * What it throws is tried again later, but for a `HopelessJob`.
   */
  readonly run: (run: JobRun) => Promise<void>;
  /** Times that it is begun before it is given up as dead. */
  readonly attempts: number;
  /** Seconds until the second attempt; each further one takes twice as long to come, an hour at most. */
  readonly pause: number;
  /** Jobs of the kind that one server runs at once. */
  readonly atOnce: number;
  /** Cron pattern in the machine's time zone; null for what is only done when somebody asks. */
  readonly at: string | null;
  /**
   * Runs in the transaction that gives a job up.
   * @param problem why its last attempt failed; null when an administrator cancelled it
   */
  readonly givenUp?: (tx: Transaction, job: Job, problem: string | null) => Promise<void>;
}

/** What a run throws when no further attempt would end otherwise: the job is given up at once. */
export class HopelessJob extends Error {}

type Options<P> = Partial<Omit<JobKind, "kind" | "run">> & {
  /** What a job has to know; nothing when not given. */
  readonly payload?: z.ZodType<P>;
  readonly run: (payload: P, run: JobRun) => Promise<unknown>;
};

/** Declares a kind of job. By default it is tried eight times, over about an hour. */
export function defineJob<P = unknown>(kind: string, options: Options<P>): JobKind {
  const { payload = z.unknown() as z.ZodType<P>, run, ...rest } = options;
  return {
    kind,
    attempts: 8,
    pause: 30,
    atOnce: 1,
    at: null,
    ...rest,
    run: async (given) => {
      await run(payload.parse(given.job.payload), given);
    },
  };
}

const longestPause = 3600;

/**
 * Seconds until a job is tried again after a failure.
 * @param chance from 0 to 1: jobs that failed together do not come back together
 */
export function pauseAfter({ pause }: Pick<JobKind, "pause">, attempts: number, chance: number): number {
  return Math.min(longestPause, pause * 2 ** (attempts - 1)) * (0.8 + 0.4 * chance);
}
