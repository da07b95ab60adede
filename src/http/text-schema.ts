import { z } from "zod";

/** Characters (Unicode code points), as Postgres counts them. A string has one or two UTF-16 units for each. */
function hasLength(text: string, min: number, max: number): boolean {
  if (text.length > 2 * max) return false;
  const length = text.length <= max && min <= 1 ? text.length : [...text].length;
  return length >= min && length <= max;
}

/**
 * Text of `min` to `max` characters that Postgres can store: U+0000 is refused, and half of a surrogate pair
 * (a text that a phone cut in the middle of an emoji) becomes U+FFFD. What checks do, zod cannot tell the API's description;
 * so that is registered (`meta()` would copy the schema, and a server starts with hundreds).
 */
export function plainText(min: number, max: number) {
  const span = min === 0 ? `at most ${max}` : `${min} to ${max}`;
  return z
    .string("must be text")
    .refine((text) => !text.includes("\0"), "must not contain the character U+0000")
    .transform((text) => text.toWellFormed())
    .refine((text) => hasLength(text, min, max), `must have ${span} characters`)
    .register(z.globalRegistry, { ...(min > 0 && { minLength: min }), maxLength: max });
}

/** A UUID in any case, read into lower case as it is kept everywhere: iOS sends them in upper case. */
export const uuid = z
  .string("must be a UUID")
  .regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i, "must be a UUID")
  .toLowerCase()
  .register(z.globalRegistry, { format: "uuid" });
