import { type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import { formatInstant, readInstant } from "../sync/instant.ts";

const dayMillis = 86_400_000;

/** An instant in a query; phones send `+` in an offset unescaped, which arrives as a space. */
function readTime(text: string): number | null {
  return readInstant(text) ?? readInstant(text.replace(" ", "+"));
}

/** A filter by time: an instant. */
export const timeFilter = z
  .string()
  .transform((text, context) => {
    const millis = readTime(text);
    if (millis !== null) return formatInstant(millis);
    context.addIssue({ code: "custom", message: "must be an ISO 8601 instant" });
    return z.NEVER;
  })
  .register(z.globalRegistry, { format: "date-time" })
  .nullish();

/** A filter by date: an instant, or a bare date, which means its first (`start`) or last (`end`) moment in UTC. */
export function dateFilter(edge: "start" | "end") {
  return z
    .string()
    .transform((text, context) => {
      const day = readInstant(`${text}T00:00Z`);
      const millis = day === null ? readTime(text) : edge === "start" ? day : day + dayMillis - 1;
      if (millis !== null) return formatInstant(millis);
      context.addIssue({ code: "custom", message: "must be a date or an ISO 8601 instant" });
      return z.NEVER;
    })
    .register(z.globalRegistry, {
      description: `An instant, or a date, which means its ${edge === "start" ? "first" : "last"} moment in UTC.`,
    })
    .nullish();
}

/** A filter by number. */
export const numberFilter = z
  .string()
  .regex(/^\d{1,9}(\.\d{1,9})?$/, "must be a number")
  .transform(Number)
  .register(z.globalRegistry, { type: "number", pattern: undefined, minimum: 0 })
  .nullish();

/** Conditions for the filters that were given. */
export function conditions(...filters: readonly [value: unknown, condition: (value: never) => SQL][]): SQL[] {
  return filters
    .filter(([value]) => value !== null && value !== undefined)
    .map(([value, condition]) => condition(value as never));
}

/** An instant as a parameter of a statement. */
export const at = (text: string) => sql`${text}::timestamptz`;
