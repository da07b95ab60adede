/** One line of the table. */
export interface Figure {
  readonly name: string;
  readonly measured: string;
  readonly target: string;
  /** How the measured figure stands to the target: a ratio, or nothing but whether it is met. */
  readonly ratio: string;
  readonly met: boolean;
}

/** The middle one of some numbers, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** @param part 0.99 for the value that 99 of 100 do not exceed; between two values, their weighted mean */
export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) * part;
  const low = sorted[Math.floor(at)] ?? Number.NaN;
  const high = sorted[Math.ceil(at)] ?? Number.NaN;
  return low + (high - low) * (at - Math.floor(at));
}

/** A number for people: `1,234`. */
export const whole = (value: number) => Math.round(value).toLocaleString("en-US");

/** A figure that has to stay under a limit. */
export function atMost(name: string, value: number, limit: number, unit: string): Figure {
  const digits = unit === "ms" && value < 100 ? 1 : 0;
  return {
    name,
    measured: `${value.toFixed(digits)} ${unit}`,
    target: `< ${limit} ${unit}`,
    ratio: `${(value / limit).toFixed(2)} of it`,
    met: value < limit,
  };
}

/** A rate in MB/s as a ratio to another, each turn measured beside each other; without a target it is told only. */
export function rateOf(name: string, turns: readonly Turn[], least: number | null): Figure {
  const ratio = median(turns.map(({ ours, other }) => ours / other));
  const rate = (key: keyof Turn) => whole(median(turns.map((turn) => turn[key])));
  return {
    name,
    measured: `${rate("ours")} MB/s; plain copy ${rate("other")}`,
    target: least === null ? "" : `>= ${least} x copy`,
    ratio: `${ratio.toFixed(2)} x`,
    met: ratio >= (least ?? 0),
  };
}

/** Rates in rows per second, measured in turns, so that noise of the machine hits both alike: ours, and what it is compared with. */
export interface Turn {
  readonly ours: number;
  readonly other: number;
}

/** A rate as a ratio to that of Postgres itself: the median of the turns' ratios. */
export function ratioOf(name: string, turns: readonly Turn[], least: number): Figure {
  const ratio = median(turns.map(({ ours, other }) => ours / other));
  const rate = (key: keyof Turn) => whole(median(turns.map((turn) => turn[key])));
  return {
    name,
    measured: `${rate("ours")} rows/s; COPY ${rate("other")}`,
    target: `>= ${least} x COPY`,
    ratio: `${ratio.toFixed(2)} x`,
    met: ratio >= least,
  };
}
