import type { Database } from "../database/client.ts";
import { type ClaimedJob, leaseSeconds, renew } from "./queue.ts";

/** The job is another's now, or nobody's. */
export class LeaseLost extends Error {}

/** Milliseconds between two signs of life: two may be lost. */
const between = (leaseSeconds * 1000) / 3;

/** Says for a run that it lives, until it ends; and tells the run when its job is no longer its own. */
export class Lease {
  readonly #lost = new AbortController();
  readonly #timer: ReturnType<typeof setInterval>;
  #goodUntil = performance.now() + leaseSeconds * 1000;

  constructor(
    private readonly db: Database,
    private readonly job: ClaimedJob,
  ) {
    this.#timer = setInterval(() => void this.#renew(), between);
  }

  /** Aborted once the job is lost. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  end(): void {
    clearInterval(this.#timer);
  }

  async #renew(): Promise<void> {
    const askedAt = performance.now();
    // Without an answer nobody can tell: the job is this run's until its time is over.
    const isOurs = await renew(this.db, this.job).catch(() => null);
    if (isOurs) this.#goodUntil = askedAt + leaseSeconds * 1000;
    if (isOurs === false || performance.now() > this.#goodUntil)
      this.#lost.abort(new LeaseLost("the job is no longer this run's"));
  }
}
