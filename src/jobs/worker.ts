import type { Database, DatabaseClient } from "../database/client.ts";
import { type Log, whatWentWrong } from "../log.ts";
import { HopelessJob, type JobKind, type JobState, pauseAfter } from "./job.ts";
import { Lease } from "./lease.ts";
import {
  bury,
  type ClaimedJob,
  claim,
  finish,
  giveBack,
  jobsChannel,
  leaseSeconds,
  tryLater,
} from "./queue.ts";

/** What became of a run: `lost` is nobody's doing here, `waiting` is tried again. */
export interface RunEnd {
  readonly kind: string;
  readonly state: Extract<JobState, "done" | "dead" | "waiting"> | "lost";
  readonly seconds: number;
}

export interface WorkerParts {
  readonly db: Database;
  readonly log: Log;
  readonly kinds: readonly JobKind[];
  /** Tells of new jobs at once, where it is given and can be listened to; else they begin within ten seconds. */
  readonly database?: Pick<DatabaseClient, "listen"> | undefined;
  /** Told of every run that ended. */
  readonly onEnd?: ((end: RunEnd) => void) | undefined;
}

/** Milliseconds between two looks when nothing is heard. With a lease, a killed server's jobs are begun anew within a minute. */
const unheard = 10_000;
/** Milliseconds for which the end of the server waits for jobs to break off. */
const longestStop = 10_000;

class Stopping extends Error {}

/**
 * Does the jobs of the database, as many at once as their kinds allow. Any number of servers may do so beside each other:
 * a job belongs to the run that took it for as long as that says that it lives.
 */
export class JobWorker {
  readonly #running = new Map<Promise<void>, string>();
  #stopping = new AbortController();
  #timer: ReturnType<typeof setInterval> | undefined;
  #looking: Promise<void> | undefined;
  #lookAgain = false;
  #isBlind = false;

  constructor(private readonly parts: WorkerParts) {}

  /** Begins to work. */
  start(): void {
    this.#stopping = new AbortController();
    this.#timer = setInterval(() => this.wake(), unheard);
    const wake = () => this.wake();
    this.parts.database?.listen(jobsChannel, { onNews: wake, onListening: wake }).catch((error) => {
      this.parts.log.warn({ err: error }, "the database does not notify us: jobs begin within ten seconds");
    });
    this.wake();
  }

  /** Looks now. */
  wake(): void {
    if (this.#timer === undefined || this.#stopping.signal.aborted) return;
    this.#lookAgain = true;
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
      if (this.#lookAgain) this.wake();
    });
  }

  /**
   * Breaks off what runs, which is begun again by whoever comes next, and takes no more.
   * @param longest milliseconds to wait for that, also for a database that does not answer
   */
  async stop(longest = longestStop): Promise<void> {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#stopping.abort(new Stopping("the server stops"));
    await Promise.race([this.#idle(), Bun.sleep(longest)]);
  }

  async #idle(): Promise<void> {
    await this.#looking;
    await Promise.all(this.#running.keys());
  }

  /** Does all that is due, one after the other, until nothing is. @returns how many runs that took */
  async runDue(): Promise<number> {
    let runs = 0;
    for (let job = await this.#claim(this.parts.kinds); job; job = await this.#claim(this.parts.kinds)) {
      await this.#run(job);
      runs++;
    }
    return runs;
  }

  async #look(): Promise<void> {
    this.#lookAgain = false;
    try {
      for (let free = this.#free(); free.length > 0; free = this.#free()) {
        const job = await this.#claim(free);
        if (!job) break;
        this.#begin(job);
      }
      this.#isBlind = false;
    } catch (error) {
      if (!this.#isBlind) this.parts.log.warn({ err: error }, "jobs wait until the database is back");
      this.#isBlind = true;
    }
  }

  /** Kinds of which one more may run here. */
  #free(): readonly JobKind[] {
    if (this.#stopping.signal.aborted) return [];
    const running = [...this.#running.values()];
    return this.parts.kinds.filter(
      ({ kind, atOnce }) => running.filter((one) => one === kind).length < atOnce,
    );
  }

  #claim(kinds: readonly JobKind[]): Promise<ClaimedJob | null> {
    return claim(
      this.parts.db,
      kinds.map(({ kind }) => kind),
    );
  }

  #begin(job: ClaimedJob): void {
    const run = this.#run(job).finally(() => {
      this.#running.delete(run);
      this.wake();
    });
    this.#running.set(run, job.kind);
  }

  async #run(job: ClaimedJob): Promise<void> {
    const kind = this.parts.kinds.find((one) => one.kind === job.kind) as JobKind;
    const lease = new Lease(this.parts.db, job);
    const startedAt = performance.now();
    try {
      const state = await this.#attempt(kind, job, lease);
      this.parts.onEnd?.({ kind: kind.kind, state, seconds: (performance.now() - startedAt) / 1000 });
    } catch (error) {
      // What became of it could not be written down: it is begun anew when its lease is over.
      this.parts.log.warn(
        { err: error, job: job.id, kind: job.kind },
        "the end of a job could not be written down",
      );
    } finally {
      lease.end();
    }
  }

  async #attempt(kind: JobKind, job: ClaimedJob, lease: Lease): Promise<RunEnd["state"]> {
    const { db } = this.parts;
    // Whoever was killed by it each time would be killed by it for ever.
    if (job.attempts > kind.attempts)
      return this.#giveUp(kind, job, "its server ended in the middle of every attempt");
    const signal = AbortSignal.any([this.#stopping.signal, lease.lost]);
    try {
      // What was taken while the server was told to stop is not begun.
      signal.throwIfAborted();
      await kind.run({ job, signal });
    } catch (error) {
      return this.#fail(kind, job, error, signal);
    }
    return (await insist(() => finish(db, job))) ? "done" : "lost";
  }

  async #fail(kind: JobKind, job: ClaimedJob, error: unknown, signal: AbortSignal): Promise<RunEnd["state"]> {
    const { db, log } = this.parts;
    if (signal.aborted) return (await insist(() => giveBack(db, job))) ? "waiting" : "lost";
    const problem = whatWentWrong(error);
    if (error instanceof HopelessJob || job.attempts >= kind.attempts)
      return this.#giveUp(kind, job, problem, error);
    log.warn(
      { err: error, job: job.id, kind: job.kind, attempts: job.attempts },
      "a job failed; it is tried again",
    );
    const seconds = pauseAfter(kind, job.attempts, Math.random());
    return (await insist(() => tryLater(db, job, problem, seconds))) ? "waiting" : "lost";
  }

  async #giveUp(kind: JobKind, job: ClaimedJob, problem: string, error?: unknown): Promise<RunEnd["state"]> {
    const { db, log } = this.parts;
    log.error(
      { ...(error !== undefined && { err: error }), job: job.id, kind: job.kind, attempts: job.attempts },
      "a job was given up; to see it, run: trailglass jobs list",
    );
    return (await insist(() => bury(db, kind, job, problem))) ? "dead" : "lost";
  }
}

/** What became of a job is worth several tries, as long as its lease may last. */
async function insist<T>(write: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + leaseSeconds * 1000;
  for (;;) {
    try {
      return await write();
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await Bun.sleep(1000);
    }
  }
}
