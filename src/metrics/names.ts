import type { Counter, Gauge } from "prom-client";

/** What all names of ours begin with. */
export const prefix = "trailglass_";

/** Shows a value; none at all, rather than a zero, where it is not known. @param gauge without labels */
export function showOrForget(gauge: Gauge, value: number | null | undefined): void {
  if (value === null || value === undefined) gauge.remove();
  else gauge.set(value);
}

/** Shows totals that are counted elsewhere. */
export function showTotals(counter: Counter, totals: readonly (readonly [Record<string, string>, number])[]) {
  counter.reset();
  for (const [labels, total] of totals) counter.inc(labels, total);
}
