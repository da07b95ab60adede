import { Stopped, Unreadable } from "../../images/unreadable.ts";
import { Slots } from "../slots.ts";
import type { DecodeJob, Ended, Made } from "./decoder-messages.ts";
import { DecoderProcess } from "./decoder-process.ts";

/** Pictures decoded at once, in the whole server. Measured: a HEIC takes 13 bytes of memory a pixel meanwhile. */
const atOnce = 2;
/** Bytes of memory beyond which a process does not wait for the next picture: they go back only with it. */
const mostResident = 160 * 1024 * 1024;

const defaults = {
  /** Milliseconds a picture may take. 50 megapixels of a HEIC take some four seconds on a usual computer. */
  deadline: 60_000,
  /** Milliseconds for which a process waits for the next picture. */
  idle: 30_000,
};

/** Work for which there have to be places. */
export interface Turn {
  /** How many it takes: two for a large picture. */
  readonly places: 1 | 2;
  /** Somebody waits for it. */
  readonly urgent: boolean;
  /** Ends the work, whatever it does; it fails with the signal's reason. */
  readonly signal: AbortSignal;
}

/**
 * Has a picture decoded.
 * @param made told of each target when its file is there, one at a time
 * @returns `gone` when there is no such file, `large` when there are too few places for it
 * @throws Unreadable, or TooMuch when its decoding was given up
 */
export type Decode = (
  job: Omit<DecodeJob, "places">,
  made: (one: Made) => Promise<void>,
) => Promise<"done" | "gone" | "large">;

/**
 * Decodes pictures that anyone may have sent, in processes of their own: these can be killed, and what they do to
 * their memory is no matter of the server's.
 */
export class Decoder {
  readonly #slots = new Slots(atOnce);
  readonly #all = new Set<DecoderProcess>();
  readonly #idle = new Map<DecoderProcess, Timer>();
  readonly #limits: typeof defaults;

  constructor(limits: Partial<typeof defaults> = {}) {
    this.#limits = { ...defaults, ...limits };
  }

  /** Waits for its turn, and lends out a process meanwhile. */
  async run<T>(turn: Turn, work: (decode: Decode) => Promise<T>): Promise<T> {
    return await this.#slots.run(turn.places, turn.urgent, async () => {
      turn.signal.throwIfAborted();
      return await work((job, made) => this.#decode({ ...job, places: turn.places }, made, turn.signal));
    });
  }

  /** Kills all processes; what they were doing fails. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const timer of this.#idle.values()) clearTimeout(timer);
    this.#idle.clear();
    await Promise.all([...this.#all].map((child) => this.#end(child, new Stopped())));
  }

  async #decode(job: DecodeJob, made: (one: Made) => Promise<void>, signal: AbortSignal) {
    const result = await this.#ask(job, made, signal);
    if (result.ended === "unreadable") throw new Unreadable(result.message);
    if (result.ended === "failed") throw new Error(`A picture was not decoded: ${result.message}`);
    return result.ended;
  }

  async #ask(job: DecodeJob, made: (one: Made) => Promise<void>, signal: AbortSignal): Promise<Ended> {
    signal.throwIfAborted();
    const { child, wasIdle } = this.#take();
    const stop = () => void this.#end(child, signal.reason);
    signal.addEventListener("abort", stop);
    try {
      const result = await child.ask(job, made, this.#limits.deadline);
      if (job.places > 1 || result.resident > mostResident || child.isOver) await this.#end(child);
      else this.#keep(child);
      return result;
    } catch (error) {
      await this.#end(child);
      if (wasIdle && child.diedIdle) return await this.#ask(job, made, signal);
      throw error;
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  #take(): { child: DecoderProcess; wasIdle: boolean } {
    const [waiting] = this.#idle;
    if (!waiting) {
      const child = new DecoderProcess();
      this.#all.add(child);
      return { child, wasIdle: false };
    }
    const [child, timer] = waiting;
    clearTimeout(timer);
    this.#idle.delete(child);
    return { child, wasIdle: true };
  }

  #keep(child: DecoderProcess): void {
    const timer = setTimeout(() => void this.#end(child), this.#limits.idle);
    timer.unref();
    this.#idle.set(child, timer);
  }

  async #end(child: DecoderProcess, cause?: Error): Promise<void> {
    this.#idle.delete(child);
    await child.kill(cause);
    this.#all.delete(child);
  }
}
