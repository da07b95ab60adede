/** Tags as exifreader gives them: texts are lists of strings, fractions pairs of numbers. */
export type Tags = Readonly<Record<string, { readonly value?: unknown } | undefined>>;

/** A text without U+0000, which Postgres refuses, and of so many characters at most; null when nothing is left. */
export function textOf(tags: Tags, name: string, most: number): string | null {
  const value = tags[name]?.value;
  const first = Array.isArray(value) ? value[0] : value;
  if (typeof first !== "string") return null;
  // A file may hold a text of any length: it is cut once before it is looked at closely.
  const clean = first
    .slice(0, 4 * most)
    .replaceAll("\0", "")
    .toWellFormed()
    .trim();
  return [...clean].slice(0, most).join("").trimEnd() || null;
}

/** A number, or the first of several. */
export function numberOf(tags: Tags, name: string): number | null {
  const value = tags[name]?.value;
  const first = Array.isArray(value) ? value[0] : value;
  return typeof first === "number" && Number.isFinite(first) ? first : null;
}

function fraction(value: unknown): number {
  if (!Array.isArray(value)) return Number.NaN;
  const [above, below] = value;
  return typeof above === "number" && typeof below === "number" && below !== 0 ? above / below : Number.NaN;
}

/** A fraction's value; null when it is not there or has no denominator. */
export function fractionOf(tags: Tags, name: string): number | null {
  const value = fraction(tags[name]?.value);
  return Number.isFinite(value) ? value : null;
}

/**
 * Three fractions in base 60: degrees, minutes and seconds, or hours, minutes and seconds.
 * @returns degrees or hours
 */
export function sixtiethsOf(tags: Tags, name: string): number | null {
  const value = tags[name]?.value;
  if (!Array.isArray(value) || value.length !== 3) return null;
  const [whole, minutes, seconds] = value.map(fraction) as [number, number, number];
  // Some write whole degrees and decimal minutes, and 0/0 for the seconds.
  const total = whole + minutes / 60 + (Number.isNaN(seconds) ? 0 : seconds) / 3600;
  return Number.isFinite(total) ? total : null;
}

/** A number if it is within bounds. Minus zero becomes zero. */
export function within(value: number | null, least: number, most: number): number | null {
  return value !== null && value >= least && value <= most ? value + 0 : null;
}
