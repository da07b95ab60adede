import { setTimeout as sleep } from "node:timers/promises";
import { EmbeddedPostgresError } from "./error.ts";
import type { EmbeddedLog } from "./log.ts";
import type { Postmaster } from "./postmaster.ts";

/** More failures than this in the window mean that another try will not help. */
const FAILURES_ALLOWED = 5;
const WINDOW_MS = 60_000;

/** Before the second try; doubled for each further one. The first comes at once: mostly it was a stray kill. */
const FIRST_PAUSE_MS = 200;

export interface SupervisorOptions {
  /** Clears what is left of the last one and starts the next. */
  readonly launch: (abort: AbortSignal) => Promise<Postmaster>;
  readonly log: EmbeddedLog;
  readonly onFatal: (error: Error) => void;
}

/** Keeps one postmaster running until `stop`. */
export class Supervisor {
  #current: Postmaster | undefined;
  #failures: number[] = [];
  #watching: Promise<void> = Promise.resolve();
  #stopped: Promise<void> | undefined;
  readonly #abort = new AbortController();

  constructor(private readonly options: SupervisorOptions) {}

  /** Of the postmaster that runs now; undefined between two and after the end. */
  get pid(): number | undefined {
    return this.#current?.pid;
  }

  /** Starts the first one; what prevents it is thrown and not tried again. */
  async start(): Promise<void> {
    this.#current = await this.options.launch(this.#abort.signal);
    this.#watching = this.#watch(this.#current);
  }

  /** Stops for good and waits for it. Every call waits for the same end. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    this.#abort.abort();
    await this.#current?.stop();
    await this.#watching;
  }

  async #watch(first: Postmaster): Promise<void> {
    for (let running: Postmaster | undefined = first; running; running = await this.#replace()) {
      this.#current = running;
      const end = await running.ended;
      this.#current = undefined;
      if (this.#abort.signal.aborted) return;
      this.options.log.warn(
        { pid: running.pid, end },
        "the embedded Postgres ended unexpectedly; starting it again",
      );
      this.#failures.push(performance.now());
    }
  }

  async #replace(): Promise<Postmaster | undefined> {
    const signal = this.#abort.signal;
    for (let cause: unknown; this.#mayTryAgain(cause); this.#failures.push(performance.now())) {
      await sleep(this.#pause(), undefined, { signal }).catch(() => {});
      if (signal.aborted) return undefined;
      try {
        return await this.#relaunch(signal);
      } catch (error) {
        cause = error;
        if (signal.aborted) return undefined;
        this.options.log.error(
          { reason: messageOf(error) },
          "the embedded Postgres could not be started again",
        );
      }
    }
    return undefined;
  }

  async #relaunch(signal: AbortSignal): Promise<Postmaster> {
    const began = performance.now();
    const next = await this.options.launch(signal);
    if (signal.aborted) await next.stop();
    const ms = Math.round(performance.now() - began);
    this.options.log.info({ pid: next.pid, ms }, "the embedded Postgres runs again");
    return next;
  }

  #mayTryAgain(cause: unknown): boolean {
    this.#failures = this.#failures.filter((at) => performance.now() - at < WINDOW_MS);
    if (this.#failures.length <= FAILURES_ALLOWED) return true;
    const last = cause === undefined ? "" : ` The last reason: ${messageOf(cause)}`;
    const text = `The embedded Postgres failed ${this.#failures.length} times within a minute and is given up.${last}`;
    this.options.onFatal(new EmbeddedPostgresError("keeps_failing", text, { cause }));
    return false;
  }

  #pause(): number {
    return this.#failures.length < 2 ? 0 : FIRST_PAUSE_MS * 2 ** (this.#failures.length - 2);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
