import type { Redis, RedisOptions } from "ioredis";
import type { Log } from "../log.ts";

/** Milliseconds in which Redis has to answer: a request waits so long once, then Redis counts as away. */
const patience = 200;

const options = {
  connectTimeout: 2_000,
  commandTimeout: patience,
  // One that hangs is hung up on, so that the requests after the first do not wait for it.
  socketTimeout: patience,
  // Nothing waits for it to come back, and nothing is counted twice.
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  retryStrategy: (attempts: number) => Math.min(100 * attempts, 2_000),
  connectionName: "trailglass",
} satisfies RedisOptions;

/** The way to Redis. It is looked for as long as it takes, and its coming and going is in the log, once each. */
export class RedisLink {
  #redis: Redis | undefined;
  #isStopped = false;
  #isAway = false;

  constructor(
    private readonly url: string,
    private readonly log: Log,
  ) {}

  /** Begins to connect. @param use given the connection, which need not be ready */
  async start(use: (redis: Redis) => void): Promise<void> {
    // Loaded by those who have one.
    const { Redis } = await import("ioredis");
    if (this.#isStopped) return;
    const redis = new Redis(this.url, options);
    this.#redis = redis;
    redis.on("ready", () => this.#isBack());
    redis.on("close", () => this.#isGone());
    redis.on("error", (error: unknown) => this.#isGone(error));
    use(redis);
  }

  /** Whether requests are counted there at this moment. */
  get isReady(): boolean {
    return this.#redis?.status === "ready";
  }

  stop(): void {
    this.#isStopped = true;
    this.#redis?.disconnect();
  }

  #isBack(): void {
    this.#isAway = false;
    this.log.info("requests are counted in Redis");
  }

  #isGone(error?: unknown): void {
    if (this.#isAway || this.#isStopped) return;
    this.#isAway = true;
    this.log.warn(
      { ...(error !== undefined && { err: error }) },
      "Redis is away: requests are counted in memory",
    );
  }
}
