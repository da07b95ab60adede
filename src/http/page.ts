import { z } from "zod";

function whole(problem: string) {
  return z
    .string()
    .regex(/^\d{1,9}$/, problem)
    .transform(Number);
}

/** `limit` and `offset` of a listing, with its default and its ceiling; a larger limit is cut to the ceiling. */
export function pageQuery({ limit, max }: { limit: number; max: number }) {
  return z.object({
    limit: whole("must be a whole number")
      .refine((value) => value >= 1, "must be at least 1")
      .nullish()
      .transform((value) => Math.min(value ?? limit, max)),
    offset: whole("must be a whole number")
      .nullish()
      .transform((value) => value ?? 0),
  });
}
