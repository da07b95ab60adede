interface Waiting {
  readonly places: number;
  readonly urgent: boolean;
  readonly start: () => void;
}

/**
 * Lets as much work run at once as there are places; the rest waits in line. Somebody waits for urgent work, so it
 * goes before what is not. Whoever is first in line is the next: large pieces are not passed by small ones forever.
 */
export class Slots {
  #free: number;
  readonly #waiting: Waiting[] = [];

  constructor(readonly total: number) {
    this.#free = total;
  }

  /** @param places how many of them this work takes, at most all */
  async run<T>(places: number, urgent: boolean, work: () => Promise<T>): Promise<T> {
    await this.#enter(places, urgent);
    try {
      return await work();
    } finally {
      this.#leave(places);
    }
  }

  async #enter(places: number, urgent: boolean): Promise<void> {
    await new Promise<void>((start) => {
      const behind = urgent ? this.#waiting.findIndex((other) => !other.urgent) : -1;
      this.#waiting.splice(behind < 0 ? this.#waiting.length : behind, 0, { places, urgent, start });
      this.#startNext();
    });
  }

  #leave(places: number): void {
    this.#free += places;
    this.#startNext();
  }

  #startNext(): void {
    for (let next = this.#waiting[0]; next && next.places <= this.#free; next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#free -= next.places;
      next.start();
    }
  }
}
