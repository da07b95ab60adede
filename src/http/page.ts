import { z } from "zod";

/** @param described what the API's description says of it: it is a number there, though it comes as text */
function whole(problem: string, described: { minimum: number; description: string }) {
  return z
    .string()
    .regex(/^\d{1,9}$/, problem)
    .transform(Number)
    .register(z.globalRegistry, { type: "integer", pattern: undefined, ...described });
}

/** `limit` and `offset` of a listing, with its default and its ceiling; a larger limit is cut to the ceiling. */
export function pageQuery({ limit, max }: { limit: number; max: number }) {
  const most = `Most on a page; ${limit} unless it says so, and never more than ${max}.`;
  return z.object({
    limit: whole("must be a whole number", { minimum: 1, description: most })
      .refine((value) => value >= 1, "must be at least 1")
      .nullish()
      .transform((value) => Math.min(value ?? limit, max)),
    offset: whole("must be a whole number", { minimum: 0, description: "How many to pass over." })
      .nullish()
      .transform((value) => value ?? 0),
  });
}
