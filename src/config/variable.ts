import { z } from "zod";

/** One setting: the names it goes by in the environment, how its text is read, and what to tell a person about it. */
export interface Variable<T = unknown> {
  /** The first name is the documented one; the others are older names that keep working. */
  readonly names: readonly [string, ...string[]];
  /** Reads the text of the variable; fails with a message that never repeats the text. */
  readonly read: z.ZodType<T, string>;
  /** Text used when no name is set; undefined leaves the setting undefined. */
  readonly fallback: string | undefined;
  /** What the documentation says stands there when nothing is set. */
  readonly fallbackNote: string;
  readonly secret: boolean;
  readonly doc: string;
}

interface Options {
  fallback?: string;
  fallbackNote?: string;
  secret?: boolean;
  doc: string;
}

type Names = readonly [string, ...string[]];

/** Declares a setting that may stay unset. */
export function optional<T>(
  names: Names,
  read: z.ZodType<T, string>,
  options: Options,
): Variable<T | undefined> {
  return {
    names,
    read,
    fallback: undefined,
    fallbackNote: options.fallbackNote ?? "none",
    secret: options.secret ?? false,
    doc: options.doc,
  };
}

/** Declares a setting with a default. */
export function variable<T>(
  names: Names,
  read: z.ZodType<T, string>,
  options: Options & { fallback: string },
): Variable<T> {
  return {
    names,
    read,
    fallback: options.fallback,
    fallbackNote: options.fallbackNote ?? options.fallback,
    secret: options.secret ?? false,
    doc: options.doc,
  };
}

const problem = (error: string) => ({ error });

/** Free text, not empty. */
export const text = z.string().min(1, problem("must not be empty"));

/** Whole number within bounds. */
export function whole(min: number, max: number): z.ZodType<number, string> {
  return z
    .string()
    .regex(/^\d{1,15}$/, problem("must be a whole number"))
    .transform(Number)
    .refine((value) => value >= min && value <= max, problem(`must be between ${min} and ${max}`));
}

/** true/false, as people write it. */
export const flag: z.ZodType<boolean, string> = z
  .string()
  .toLowerCase()
  .pipe(z.enum(["true", "false", "1", "0", "yes", "no", "on", "off"], problem("must be true or false")))
  .transform((value) => ["true", "1", "yes", "on"].includes(value));

const secondsPer = { s: 1, m: 60, h: 3600, d: 86400 } as const;

/** A time span such as `15m`, `12h` or `30d`, read as seconds. */
export const duration: z.ZodType<number, string> = z
  .string()
  .regex(/^[1-9]\d{0,5}[smhd]$/, problem("must be a time span such as 90s, 15m, 12h or 30d"))
  .transform((value) => Number(value.slice(0, -1)) * secondsPer[value.slice(-1) as keyof typeof secondsPer]);

const bytesPer = { "": 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 } as const;

/** A size such as `50MB`, read as bytes. A kilobyte has 1,024 of them. */
export const size: z.ZodType<number, string> = z
  .string()
  .regex(/^[1-9]\d{0,11} ?([kmg]i?)?b?$/i, problem("must be a size such as 500KB, 50MB or 2GB"))
  .transform((value) => {
    const [, digits = "", unit = ""] = /^(\d+) ?([kmg]?)/i.exec(value) ?? [];
    return Number(digits) * bytesPer[unit.toLowerCase() as keyof typeof bytesPer];
  });

/** One of a few words, whatever their case. */
export function word<const W extends readonly [string, ...string[]]>(
  ...words: W
): z.ZodType<W[number], string> {
  return z
    .string()
    .toLowerCase()
    .pipe(z.enum(words, problem(`must be one of ${words.join(", ")}`)));
}
