/** An answer, and the milliseconds that it took. */
export interface Timed<T> {
  readonly found: T;
  readonly latencyMs: number;
}

/** Milliseconds after which a question that nobody answered is asked once more: the way may have been lost, not the other end. */
const givenUpAfter = 10_000;

/**
 * Something to find out that takes its time. However many want to know, it is asked once, and whoever waits longer than
 * `patience` milliseconds is told `late`.
 */
export class Question<T> {
  #asking: Promise<T> | undefined;
  #askedAt = 0;

  constructor(
    private readonly ask: () => Promise<T>,
    private readonly late: T,
    private readonly patience: number,
  ) {}

  /** @throws what asking throws */
  async answer(): Promise<Timed<T>> {
    const startedAt = performance.now();
    const timer = Promise.withResolvers<T>();
    const timeout = setTimeout(() => timer.resolve(this.late), this.patience);
    try {
      const found = await Promise.race([this.#asked(startedAt), timer.promise]);
      return { found, latencyMs: Math.round((performance.now() - startedAt) * 10) / 10 };
    } finally {
      clearTimeout(timeout);
    }
  }

  #asked(now: number): Promise<T> {
    if (this.#asking && now - this.#askedAt < givenUpAfter) return this.#asking;
    const asking = this.ask().finally(() => {
      if (this.#asking === asking) this.#asking = undefined;
    });
    // Nobody may be waiting any more when it fails.
    asking.catch(() => {});
    this.#asking = asking;
    this.#askedAt = now;
    return asking;
  }
}
