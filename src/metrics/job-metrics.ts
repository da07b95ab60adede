import { Gauge, Histogram, type Registry } from "prom-client";
import { prefix, showOrForget } from "./names.ts";
import type { Sources } from "./source.ts";

/** Seconds: from a look at a table to an export with all pictures. */
const buckets = [0.01, 0.1, 1, 5, 30, 60, 300, 900, 3600];

/** A run of a job that ended, and what became of its job. */
export interface EndedRun {
  readonly kind: string;
  readonly state: string;
  readonly seconds: number;
}

interface JobsFound {
  readonly counts: readonly { readonly kind: string; readonly state: string; readonly count: number }[];
  /** Longest time for which a job has been due without anybody beginning it. */
  readonly waitingSeconds: number;
}

export interface JobSources {
  readonly jobs: () => Promise<JobsFound>;
}

/** Measures runs of jobs. */
export function runMetrics(registry: Registry): (ended: EndedRun) => void {
  const duration = new Histogram({
    name: `${prefix}job_duration_seconds`,
    help: "How long runs of jobs took, and what became of their jobs.",
    labelNames: ["kind", "state"],
    buckets,
    registers: [registry],
  });
  return ({ kind, state, seconds }) => duration.observe({ kind, state }, seconds);
}

/** Shows which jobs there are. */
export function jobMetrics(registry: Registry, sources: Sources, { jobs }: JobSources): void {
  const registers = [registry];
  const counts = new Gauge({
    name: `${prefix}jobs`,
    help: "Jobs that are remembered, by what became of them.",
    labelNames: ["kind", "state"],
    registers,
  });
  const waiting = new Gauge({
    name: `${prefix}jobs_waiting_seconds`,
    help: "Longest time for which a job has been due without anybody beginning it.",
    registers,
  });
  sources.add({
    name: "jobs",
    read: jobs,
    show(found) {
      counts.reset();
      for (const { kind, state, count } of found?.counts ?? []) counts.set({ kind, state }, count);
      showOrForget(waiting, found?.waitingSeconds);
    },
  });
}
