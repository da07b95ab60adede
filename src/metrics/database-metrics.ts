import { Counter, Gauge, type Registry } from "prom-client";
import type { DatabaseActivity } from "../database/activity.ts";
import { prefix, showTotals } from "./names.ts";
import { ownWrittenBytes } from "./program-metrics.ts";
import type { Sources } from "./source.ts";

/**
 * Connections, and what is written to disks.
 * @param poolSize connections at most
 */
export function databaseMetrics(
  registry: Registry,
  sources: Sources,
  { poolSize, activity }: { poolSize: number; activity: () => Promise<DatabaseActivity> },
): void {
  const registers = [registry];
  const connections = new Gauge({
    name: `${prefix}database_connections`,
    help: "Connections of this program to its database, by what they do.",
    labelNames: ["state"],
    registers,
  });
  new Gauge({
    name: `${prefix}database_connections_max`,
    help: "Connections that requests share at most (DATABASE_MAX_POOL_SIZE).",
    registers,
  }).set(poolSize);
  const written = new Counter({
    name: `${prefix}disk_written_bytes_total`,
    help: "Bytes written to disk: by the server, by the database's log, and to its tables.",
    labelNames: ["by"],
    registers,
  });
  sources.add({
    name: "database",
    read: activity,
    show(found) {
      connections.reset();
      for (const [state, count] of Object.entries(found?.connections ?? {}))
        connections.set({ state }, count);
      const own = ownWrittenBytes();
      showTotals(written, [
        ...(own === null ? [] : [[{ by: "server" }, own] as const]),
        ...(found ? [[{ by: "database_log" }, found.walBytes] as const] : []),
        ...(found ? [[{ by: "database_tables" }, found.fileBytes] as const] : []),
      ]);
    },
  });
}
