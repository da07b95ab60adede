import type { Redis } from "ioredis";
import type { RateLimiterAbstract, RateLimiterRedis } from "rate-limiter-flexible";
import RateLimiterMemory from "rate-limiter-flexible/lib/RateLimiterMemory.js";
import RateLimiterRes from "rate-limiter-flexible/lib/RateLimiterRes.js";
import type { Rate } from "../config/rate.ts";
import type { Standing } from "./standing.ts";

/** Counts by key, in memory; in Redis as well as long as there is one, and it answers. */
export class Counter {
  readonly #options: { keyPrefix: string; points: number; duration: number };
  readonly #memory: InstanceType<typeof RateLimiterMemory>;
  #limiter: RateLimiterAbstract;

  /** @param name tells its keys from those of other counters */
  constructor(name: string, { requests, seconds }: Rate) {
    this.#options = { keyPrefix: `trailglass:${name}`, points: requests, duration: seconds };
    this.#memory = new RateLimiterMemory(this.#options);
    this.#limiter = this.#memory;
  }

  /** Counts together with whoever else counts there. Whenever Redis is not ready, or fails, memory takes over at once. */
  share(Limiter: typeof RateLimiterRedis, storeClient: Redis): void {
    this.#limiter = new Limiter({
      ...this.#options,
      storeClient,
      insuranceLimiter: this.#memory,
      rejectIfRedisNotReady: true,
    });
  }

  /** Counts one more. @param seconds of the window that this begins, where it is another than usual */
  async take(key: string, seconds = this.#options.duration): Promise<Standing> {
    const counted = await this.#limiter
      .consume(key, 1, { customDuration: seconds })
      .catch((refused: unknown) => {
        if (refused instanceof RateLimiterRes) return refused;
        throw refused;
      });
    const limit = this.#options.points;
    return {
      limit,
      remaining: Math.max(0, limit - counted.consumedPoints),
      resetsAt: Date.now() + Math.max(0, counted.msBeforeNext),
      exceeded: counted.consumedPoints > limit,
    };
  }

  /** Counts one less: what was counted turned out to be somebody else's. */
  async giveBack(key: string): Promise<void> {
    await this.#limiter.reward(key);
  }

  /** How many are counted in the window at hand. */
  async used(key: string): Promise<number> {
    const counted = await this.#limiter.get(key);
    return counted !== null && counted.msBeforeNext > 0 ? counted.consumedPoints : 0;
  }

  /** Keys that are held in memory. */
  get size(): number {
    return this.#memory.dump().storage.length;
  }
}
