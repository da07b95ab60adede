import { Registry } from "prom-client";
import type { DatabaseActivity } from "../database/activity.ts";
import type { Answered } from "../http/answered.ts";
import type { SyncObserver } from "../sync/sync-observer.ts";
import { type CareSources, careMetrics } from "./care-metrics.ts";
import { databaseMetrics } from "./database-metrics.ts";
import { type EndedRun, type JobSources, jobMetrics, runMetrics } from "./job-metrics.ts";
import { programMetrics } from "./program-metrics.ts";
import { requestMetrics } from "./request-metrics.ts";
import { Sources } from "./source.ts";
import { storageMetrics } from "./storage-metrics.ts";
import { syncMetrics } from "./sync-metrics.ts";

/** Milliseconds for which what was looked up is good: two scrapers cost no more than one. */
const goodFor = 5_000;

/** Whom metrics are asked from when somebody scrapes. */
export interface MetricSources extends CareSources, JobSources {
  readonly activity: () => Promise<DatabaseActivity>;
}

/** All that is counted and measured, in the words of Prometheus. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #sources = new Sources(this.#registry);
  #looking: Promise<void> | undefined;
  #lookedAt = 0;

  readonly onAnswered: (answered: Answered) => void = requestMetrics(this.#registry);
  readonly sync: SyncObserver = syncMetrics(this.#registry);
  readonly storageFailed: (operation: string) => void = storageMetrics(this.#registry);
  readonly jobEnded: (ended: EndedRun) => void = runMetrics(this.#registry);
  /** Stops what runs by itself. */
  readonly stop: () => void = programMetrics(this.#registry);

  get mediaType(): string {
    return this.#registry.contentType;
  }

  /** Says whom to ask; once, when all that can be asked is there. */
  lookAt(poolSize: number, { activity, ...care }: MetricSources): void {
    databaseMetrics(this.#registry, this.#sources, { poolSize, activity });
    jobMetrics(this.#registry, this.#sources, care);
    careMetrics(this.#registry, this.#sources, care);
  }

  /** Everything in the text format of Prometheus, within seconds whatever is away. */
  async scrape(): Promise<string> {
    if (!this.#looking || performance.now() - this.#lookedAt >= goodFor) this.look();
    await this.#looking;
    return this.#registry.metrics();
  }

  /** Asks everybody anew. */
  look(): Promise<void> {
    this.#lookedAt = performance.now();
    this.#looking = this.#sources.look();
    return this.#looking;
  }
}
