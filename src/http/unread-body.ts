import { Garbage } from "../garbage.ts";

/** How much of a body is read away that nobody wants, and how long that may take. */
export interface Patience {
  /** Most bytes of one body. */
  readonly bytes: number;
  /** Milliseconds for one body. */
  readonly total: number;
  /** Milliseconds without a byte of it. */
  readonly pause: number;
  /** The same when the client asked for the connection to be closed: an early answer would be lost then. */
  readonly closingPause: number;
}

/**
 * Phones give up after 30 seconds: one that sends slowly hears its answer before that. Whoever waits for it before
 * sending more hears it after half a second.
 * @param largest bytes of the largest body that any route takes; twice that is read away, so that whoever sends too much
 * is told so
 */
export const patienceFor = (largest: number): Patience => ({
  bytes: 2 * largest,
  total: 25_000,
  pause: 500,
  closingPause: 5_000,
});

const asksToClose = (headers: Headers) => /(^|,)\s*close\s*(,|$)/i.test(headers.get("connection") ?? "");

/**
 * Reads away what is left of bodies when their answers are ready. The runtime does so by itself after the answer, but
 * not when the connection is to be closed then, as nginx asks unless told otherwise: it closes at once, under a sender
 * who then loses the answer. Which of the two it will be cannot be seen here, HTTP/1.0 closing without a word. So the
 * answer waits for the body. It is not kept, and costs a stranger who sends it more than the server that drops it.
 */
export class UnreadBodies {
  readonly #garbage = new Garbage();
  /** Ends what is being read away at present. */
  readonly #underWay = new Set<() => void>();
  #isOver = false;

  constructor(private readonly patience: Patience) {}

  /**
   * Reads away the rest of a request's body, if there is one.
   * @returns whether the connection may go on. It may with a body that is merely slow, whose rest the runtime drops
   */
  async readAway({ body, headers }: Request): Promise<boolean> {
    // What was read as a whole is locked for good.
    if (body === null || body.locked) return true;
    if (this.#isOver || Number(headers.get("content-length")) > this.patience.bytes) return false;
    const reader = body.getReader() as ReadableStreamDefaultReader<Uint8Array>;
    const givenUp = Promise.withResolvers<true>();
    // Whoever waits for the answer does not wait for the runtime to end a read that was given up.
    const giveUp = () => {
      reader.cancel().catch(() => {});
      givenUp.resolve(true);
    };
    const { total, pause, closingPause } = this.patience;
    const timers = [
      setTimeout(giveUp, asksToClose(headers) ? closingPause : pause),
      setTimeout(giveUp, total),
    ];
    this.#underWay.add(giveUp);
    try {
      const dropped = this.#drop(reader, () => timers[0]?.refresh());
      dropped.catch(() => {});
      const isShort = await Promise.race([dropped, givenUp.promise]);
      if (!isShort) giveUp();
      return isShort && !this.#isOver;
    } catch {
      // The client went away.
      return true;
    } finally {
      this.#underWay.delete(giveUp);
      for (const timer of timers) clearTimeout(timer);
    }
  }

  /** Reads nothing away from now on: the server is about to stop. */
  stop(): void {
    this.#isOver = true;
    for (const giveUp of this.#underWay) giveUp();
  }

  /** @returns false when there are more bytes than are read away */
  async #drop(reader: ReadableStreamDefaultReader<Uint8Array>, onBytes: () => void): Promise<boolean> {
    for (let left = this.patience.bytes; left >= 0; ) {
      const { done, value } = await reader.read();
      if (done) return true;
      left -= value.byteLength;
      this.#garbage.note(value.byteLength);
      onBytes();
    }
    return false;
  }
}
