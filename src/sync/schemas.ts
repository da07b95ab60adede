import { z } from "zod";
import { plainText } from "../http/text-schema.ts";
import { formatInstant, isInOneSpelling, readInstant } from "./instant.ts";

/** Versions and cursors beyond this are refused. */
export const largestVersion = 1e15;
/** No counter is lifted above a version beyond this: it would come near those that are refused. */
export const largestLift = 1e14;
/** No version beyond this was ever given out: a counter that was lifted as far as may be goes on from there, one by one. */
export const largestGiven = 2 * largestLift;

/** An id as phones choose it: opaque, case-sensitive. */
export const entityId = z
  .string("must be a string")
  .regex(/^[A-Za-z0-9._:-]{1,128}$/, "must be 1 to 128 characters of A-Z a-z 0-9 . _ : -");

/** A version of an entity, or a cursor. */
export const version = z
  .number("must be a whole number")
  .int("must be a whole number")
  .min(0, "must not be negative")
  .max(largestVersion, "is larger than any version that was ever given out");

/** An instant, read into its one spelling. */
export const instant = z
  .string("must be an instant")
  .transform((text, context) => {
    if (isInOneSpelling(text)) return text;
    const millis = readInstant(text);
    if (millis !== null) return formatInstant(millis);
    context.addIssue({
      code: "custom",
      message: "must be an ISO 8601 instant such as 2025-11-17T10:00:00.000Z",
    });
    return z.NEVER;
  })
  .register(z.globalRegistry, { format: "date-time" });

/** A number within bounds. Minus zero is made zero: JSON and Postgres tell them apart, nobody else does. */
export function number(min: number, max = Number.MAX_VALUE) {
  return z
    .number("must be a number")
    .min(min, max === Number.MAX_VALUE ? `must be at least ${min}` : `must be between ${min} and ${max}`)
    .max(max, `must be between ${min} and ${max}`)
    .transform((value) => value + 0);
}

/** Degrees; what is nearer to zero than an atom is zero: squares of such numbers fall out of the range of floats. */
const degrees = (limit: number) =>
  number(-limit, limit).transform((value) => (Math.abs(value) < 1e-12 ? 0 : value));
export const latitude = degrees(90);
export const longitude = degrees(180);

/** A whole number that fits Postgres' integer; phones fail on a fraction, so one is rounded down. */
export const wholeNumber = z
  .number("must be a number")
  .transform((value) => Math.floor(value) + 0)
  .pipe(z.number().min(0, "must not be negative").max(2_147_483_647, "is too large"));

/** An optional field: missing and null are the same, and read as null. */
export function maybe<T>(schema: z.ZodType<T>) {
  return schema.nullish().transform((value) => value ?? null);
}

/** A list of ids, each once, in the order given. */
export const idList = z
  .array(entityId)
  .max(10_000, "has more than 10,000 ids")
  .nullish()
  .transform((ids) => [...new Set(ids ?? [])]);

export const text = (max: number) => plainText(0, max);
