import type { Rate } from "../config/rate.ts";
import type { Log } from "../log.ts";
import { Counter } from "./counter.ts";
import { RedisLink } from "./redis-link.ts";

/** All counters of a server, and the Redis that they share with other servers, if there is one. */
export class Counters {
  readonly #made: Counter[] = [];
  readonly #link: RedisLink | undefined;
  #isStarted = false;

  constructor(
    redisUrl: string | undefined,
    private readonly log: Log,
  ) {
    this.#link = redisUrl === undefined ? undefined : new RedisLink(redisUrl, log);
  }

  make(name: string, rate: Rate): Counter {
    const counter = new Counter(name, rate);
    this.#made.push(counter);
    return counter;
  }

  /** Begins to count with other servers, at the first request: commands build counters, too, and count nothing. */
  start(): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    this.#share().catch((error) => this.log.error({ err: error }, "requests cannot be counted in Redis"));
  }

  /** Whether other servers' requests count here, too. */
  get areShared(): boolean {
    return this.#link?.isReady ?? false;
  }

  stop(): void {
    this.#link?.stop();
  }

  async #share(): Promise<void> {
    if (!this.#link) return;
    const { default: Limiter } = await import("rate-limiter-flexible/lib/RateLimiterRedis.js");
    await this.#link.start((redis) => {
      for (const counter of this.#made) counter.share(Limiter, redis);
    });
  }
}
