import { unavailable } from "../errors.ts";

/** Lets a few pieces of work run at once; the others wait in line, in the order in which they came. */
export class Turnstile {
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  /** @param line how many may wait before newcomers are turned away */
  constructor(
    readonly atOnce: number,
    readonly line: number,
  ) {}

  /** @throws 503 when the line is full. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    await this.#enter();
    try {
      return await work();
    } finally {
      this.#leave();
    }
  }

  async #enter(): Promise<void> {
    if (this.#running < this.atOnce) {
      this.#running++;
      return;
    }
    if (this.#waiting.length >= this.line) throw unavailable("Too many people are signing in; try again");
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** The place goes to the next in line at once, so that no newcomer slips in between. */
  #leave(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#running--;
  }
}
