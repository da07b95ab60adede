import { z } from "zod";
import { duration } from "./variable.ts";

/** So many requests in so long a window; the next window begins with the first request after it. */
export interface Rate {
  readonly requests: number;
  /** Length of the window, in seconds. */
  readonly seconds: number;
}

/** Longest window, in seconds: timers cannot be set beyond 24 days, and nobody should be locked out for longer than this. */
const longestWindow = 86_400;

/** A rate such as `100/5m`; `0` is none at all, read as null. */
export const rate: z.ZodType<Rate | null, string> = z.string().transform((value, context) => {
  const text = value.trim();
  if (text === "0") return null;
  const [, requests = "", window = ""] = /^([1-9]\d{0,6})\/([1-9]\d{0,5}[smhd])$/.exec(text) ?? [];
  const seconds = duration.safeParse(window);
  if (seconds.success && seconds.data <= longestWindow)
    return { requests: Number(requests), seconds: seconds.data };
  context.addIssue({
    code: "custom",
    message: "must be requests and a window of at most a day such as 100/5m, or 0 for no limit",
  });
  return z.NEVER;
});
