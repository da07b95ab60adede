import type { Database } from "../database/client.ts";
import { type ClaimedJob, leaseSeconds, renew } from "./queue.ts";

/** The job is another's now, or nobody's. */
export class LeaseLost extends Error {}

/** Says for a run that it lives, until it ends; and tells the run when its job is no longer its own. */
export class Lease {
  readonly #lost = new AbortController();
  readonly #timer: ReturnType<typeof setInterval>;
  #end: ReturnType<typeof setTimeout> | undefined;
  #isAsking = false;
  #isOver = false;

  /** @param seconds for which the job is the run's, unless it says that it lives */
  constructor(
    private readonly db: Database,
    private readonly job: ClaimedJob,
    private readonly seconds = leaseSeconds,
  ) {
    this.#goodSince(performance.now());
    // Two signs of life may be lost.
    this.#timer = setInterval(() => void this.#renew(), (seconds * 1000) / 3);
  }

  /** Aborted once the job is lost. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  end(): void {
    this.#isOver = true;
    clearInterval(this.#timer);
    clearTimeout(this.#end);
  }

  async #renew(): Promise<void> {
    // A database that does not answer is asked once: more would take all connections to it.
    if (this.#isAsking) return;
    this.#isAsking = true;
    const askedAt = performance.now();
    // Without an answer nobody can tell: the job is this run's until its time is over.
    const isOurs = await renew(this.db, this.job).catch(() => null);
    this.#isAsking = false;
    if (isOurs) this.#goodSince(askedAt);
    if (isOurs === false) this.#lose();
  }

  /** The time of the job ends of itself: an answer may never come. */
  #goodSince(moment: number): void {
    clearTimeout(this.#end);
    if (this.#isOver) return;
    this.#end = setTimeout(() => this.#lose(), moment + this.seconds * 1000 - performance.now());
  }

  #lose(): void {
    this.#lost.abort(new LeaseLost("the job is no longer this run's"));
  }
}
