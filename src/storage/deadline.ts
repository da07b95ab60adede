/** Milliseconds without progress after which a storage counts as away. Phones are answered within ten seconds. */
export const patience = 8_000;

/** A storage that did not answer in time. */
export class DeadlineError extends Error {
  override readonly name = "DeadlineError";
}

/** Time that a call may take. It begins anew whenever there is progress. */
export class Deadline {
  readonly #controller = new AbortController();
  readonly #expired = Promise.withResolvers<never>();
  #timer: Timer | undefined;

  constructor(readonly milliseconds = patience) {
    this.#expired.promise.catch(() => {});
    this.extend();
  }

  /** Aborted when time is up. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** There was progress: all the time is left again. */
  extend(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#expire(), this.milliseconds);
  }

  /** Stops the clock. */
  pause(): void {
    clearTimeout(this.#timer);
  }

  /** @throws DeadlineError when time is up before the work is done; nobody waits for the work then. */
  race<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#expired.promise]);
  }

  #expire(): void {
    const error = new DeadlineError(`there was no answer within ${this.milliseconds / 1000} seconds`);
    this.#controller.abort(error);
    this.#expired.reject(error);
  }
}

/** Waits for work no longer than that. @throws DeadlineError */
export async function withinPatience<T>(work: Promise<T>): Promise<T> {
  const deadline = new Deadline();
  try {
    return await deadline.race(work);
  } finally {
    deadline.pause();
  }
}
