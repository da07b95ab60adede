import type { DatabaseClient } from "../database/client.ts";
import type { Log } from "../log.ts";
import { keysChannel } from "./signing-keys.ts";

export interface KeyNewsParts {
  readonly database: Pick<DatabaseClient, "listen">;
  readonly log: Log;
  /** Reads anew whatever a rotation changes. */
  readonly learn: () => Promise<void>;
}

/** Milliseconds between two readings when nothing is heard: behind a pooler, notifications may never arrive. */
const unheard = 60_000;
/** Milliseconds until the next attempt after a reading that failed. */
const afterFailure = 1_000;

/** Lets a running server learn of changed keys at once, and within a minute where it cannot listen. */
export class KeyNews {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stopped = false;

  constructor(readonly parts: KeyNewsParts) {}

  /** Begins to listen. Never fails, and waits for nothing: a server runs without, too. */
  start(): void {
    const { database, log } = this.parts;
    this.#schedule(unheard);
    const learn = () => void this.#learn();
    // After a connection was lost, too: what was said meanwhile has been missed.
    database.listen(keysChannel, { onNews: learn, onListening: learn }).catch((error) => {
      log.warn({ err: error }, "the database does not notify us: changed keys are noticed within a minute");
    });
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  async #learn(): Promise<void> {
    if (this.#stopped) return;
    try {
      await this.parts.learn();
      this.#schedule(unheard);
    } catch (error) {
      this.parts.log.debug({ err: error }, "the keys could not be read; trying again");
      this.#schedule(afterFailure);
    }
  }

  #schedule(milliseconds: number): void {
    clearTimeout(this.#timer);
    if (!this.#stopped) this.#timer = setTimeout(() => void this.#learn(), milliseconds);
  }
}
