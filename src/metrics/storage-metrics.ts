import { Counter, type Registry } from "prom-client";
import { prefix } from "./names.ts";

const operations = ["put", "putFile", "get", "stat", "delete", "probe", "sweepFragments"];

/** Counts what the storage could not do. */
export function storageMetrics(registry: Registry): (operation: string) => void {
  const errors = new Counter({
    name: `${prefix}storage_errors_total`,
    help: "Calls of the storage that failed because it was away, slow or full.",
    labelNames: ["operation"],
    registers: [registry],
  });
  for (const operation of operations) errors.inc({ operation }, 0);
  return (operation) => errors.inc({ operation });
}
