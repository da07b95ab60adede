import { readdirSync, readFileSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { Counter, Gauge, type Registry } from "prom-client";
import { program } from "../version.ts";
import { prefix, showTotals } from "./names.ts";

/** Milliseconds between two looks at the event loop: seldom enough for a small machine to rest in between. */
const resolution = 100;

function buildInfo(registry: Registry): void {
  const info = new Gauge({
    name: `${prefix}build_info`,
    help: "What runs: always 1.",
    labelNames: ["version", "commit", "bun"],
    registers: [registry],
  });
  const { version, commit, bun } = program;
  info.set({ version, commit, bun }, 1);
}

/** Null where the system does not say. */
function orNull<T>(read: () => T): T | null {
  try {
    return read();
  } catch {
    return null;
  }
}

/** Bytes that this process had written to a disk. Source: Linux, proc_pid_io(5). */
export const ownWrittenBytes = (): number | null =>
  orNull(() => {
    const match = /^write_bytes: (\d+)$/m.exec(readFileSync("/proc/self/io", "utf8"));
    return match ? Number(match[1]) : null;
  });

/** The names are those of Prometheus' client libraries: "Writing client libraries, Process metrics". */
function processMetrics(registry: Registry): void {
  const registers = [registry];
  new Gauge({
    name: "process_resident_memory_bytes",
    help: "Memory that the process holds.",
    registers,
    collect() {
      this.set(process.memoryUsage.rss());
    },
  });
  new Gauge({
    name: "process_open_fds",
    help: "Files and sockets that are open.",
    registers,
    collect() {
      const open = orNull(() => readdirSync("/proc/self/fd").length);
      if (open !== null) this.set(open);
    },
  });
  new Gauge({
    name: "process_start_time_seconds",
    help: "When the process started, in seconds since 1970.",
    registers,
  }).set(Math.round(Date.now() / 1000 - process.uptime()));
  new Counter({
    name: "process_cpu_seconds_total",
    help: "Processor time that the process has used.",
    registers,
    collect() {
      const { user, system } = process.cpuUsage();
      showTotals(this, [[{}, (user + system) / 1e6]]);
    },
  });
}

/** How late the event loop is, since somebody last asked. */
function loopMetrics(registry: Registry): ReturnType<typeof monitorEventLoopDelay> {
  const delay = monitorEventLoopDelay({ resolution });
  delay.enable();
  new Gauge({
    name: `${prefix}event_loop_delay_seconds`,
    help: "How late timers were, since the last scrape.",
    labelNames: ["quantile"],
    registers: [registry],
    collect() {
      for (const quantile of [0.5, 0.99, 1]) {
        const late = delay.count > 0 ? delay.percentile(quantile * 100) / 1e9 : 0;
        this.set({ quantile: String(quantile) }, Math.max(0, late));
      }
      delay.reset();
    },
  });
  return delay;
}

/** What the process says of itself. @returns what ends its looking */
export function programMetrics(registry: Registry): () => void {
  buildInfo(registry);
  processMetrics(registry);
  const delay = loopMetrics(registry);
  return () => void delay.disable();
}
