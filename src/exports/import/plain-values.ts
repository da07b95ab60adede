import type { z } from "zod";
import { formatInstant, isInOneSpelling, readInstant } from "../../sync/instant.ts";
import { largestGiven } from "../../sync/schemas.ts";

/** A row that cannot be taken; the message says why. */
export class Unfit extends Error {}

/** What a schema makes of a value. @throws Unfit with the first thing that is wrong */
export function fitting<T>(schema: z.ZodType<T>, value: unknown, name = ""): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const path = [name, ...(issue?.path ?? [])].filter((part) => part !== "").join(".");
  throw new Unfit(`${path || "row"}: ${issue?.message ?? "is not valid"}`);
}

/**
 * An instant with all its microseconds.
 * @param text in UTC, as the format's own schema has it @throws Unfit for a day that no calendar has
 */
export function moment(text: string, name: string): string {
  if (!isInOneSpelling(`${text.slice(0, 19)}.000Z`)) throw new Unfit(`${name}: must be an instant`);
  return text;
}

export const momentOrNull = (text: string | null, name: string): string | null =>
  text === null ? null : moment(text, name);

/** An instant as devices tell it, in milliseconds and in its one spelling. */
export function deviceInstant(text: string | null, name: string): string | null {
  if (text === null || isInOneSpelling(text)) return text;
  const millis = readInstant(text);
  if (millis === null) throw new Unfit(`${name}: must be an instant`);
  return formatInstant(millis);
}

/**
 * A version that was given out. Larger ones than any account comes to would lift its counter to where phones' cursors are
 * refused.
 */
export function given(version: number, name: string, least = 1): number {
  if (version >= least && version <= largestGiven) return version;
  throw new Unfit(`${name}: is no version that was ever given out`);
}

export const givenOrNull = (version: number | null, name: string): number | null =>
  version === null ? null : given(version, name, 0);

/** Spellings in JSON of U+0000, which Postgres cannot store, and of surrogates, of which half a pair is no text. */
const suspicious = /\\u(0000|d[89a-f])/i;

const isPlain = (text: string) => !text.includes("\0") && text.isWellFormed();

function requirePlain(value: unknown): void {
  if (typeof value === "string" && !isPlain(value))
    throw new Unfit("must contain neither the character U+0000 nor half of a surrogate pair");
  if (typeof value !== "object" || value === null) return;
  for (const [key, item] of Object.entries(value)) {
    requirePlain(key);
    requirePlain(item);
  }
}

/** An object from its JSON, whose texts can all be stored. @throws Unfit */
export function parsePlain(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    if (suspicious.test(text)) requirePlain(value);
    return value;
  } catch (error) {
    throw error instanceof Unfit ? error : new Unfit("is no JSON");
  }
}

/** Keys of objects within a value that were given, and that nobody asked for. @throws Unfit */
export function requireKnown(givenValue: unknown, taken: unknown, name: string): void {
  if (!isObject(givenValue) || !isObject(taken)) return;
  for (const [key, value] of Object.entries(givenValue)) {
    if (!Object.hasOwn(taken, key)) throw new Unfit(`${name}.${key}: is not known`);
    requireKnown(value, taken[key], `${name}.${key}`);
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
