export interface ReadingBudgetOptions {
  /** Milliseconds on a clock that never runs backwards. */
  readonly now: () => number;
  /** Waits so many milliseconds. */
  readonly pause: (milliseconds: number) => Promise<unknown>;
}

/** Readings that may follow each other without a pause: more than an hour of rotations brings. */
const atOnce = 10;
/** Milliseconds after which there is one more: so long a token waits at worst while somebody floods us. */
const oneMoreEvery = 500;

/**
 * Bounds how often keys are read because of tokens with unknown key ids, which anybody can make up: ten times at once,
 * and twice a second for as long as it takes. A token bucket; whoever finds it empty waits for the next token.
 */
export class ReadingBudget {
  #left = atOnce;
  #countedAt: number;

  constructor(readonly options: ReadingBudgetOptions) {
    this.#countedAt = options.now();
  }

  /** Resolves when one more reading may begin. For one caller at a time. */
  async take(): Promise<void> {
    while (!this.#takeNow()) {
      const { now, pause } = this.options;
      await pause(oneMoreEvery - (now() - this.#countedAt));
    }
  }

  #takeNow(): boolean {
    const earned = Math.floor((this.options.now() - this.#countedAt) / oneMoreEvery);
    this.#left = Math.min(atOnce, this.#left + earned);
    this.#countedAt += earned * oneMoreEvery;
    if (this.#left === 0) return false;
    this.#left--;
    return true;
  }
}
