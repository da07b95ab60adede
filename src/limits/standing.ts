import { AppError } from "../errors.ts";

/** How somebody stands against a limit, the request at hand included. */
export interface Standing {
  /** Requests that the window allows. */
  readonly limit: number;
  readonly remaining: number;
  /** When the window ends: milliseconds since 1970. */
  readonly resetsAt: number;
  /** This request is one too many. */
  readonly exceeded: boolean;
}

/** The one that refuses the request, for the longest; else the one that is used up the soonest. */
export function tightest(standings: readonly Standing[]): Standing | undefined {
  const [first] = standings.toSorted(
    (a, b) => Number(b.exceeded) - Number(a.exceeded) || a.remaining - b.remaining || b.resetsAt - a.resetsAt,
  );
  return first;
}

/** Headers that tell of a limit. Source: the HTTP contract, "Rate limits". */
export function limitHeaders({ limit, remaining, resetsAt }: Standing): Record<string, string> {
  return {
    "X-RateLimit-Limit": String(limit),
    "X-RateLimit-Remaining": String(remaining),
    "X-RateLimit-Reset": String(Math.ceil(resetsAt / 1000)),
  };
}

/** 429, with whole seconds to wait: at least one, so that nobody comes back at once. */
export function tooMany(standing: Standing): AppError {
  const seconds = Math.max(1, Math.ceil((standing.resetsAt - Date.now()) / 1000));
  return new AppError("RATE_LIMIT_EXCEEDED", `Too many requests; try again in ${seconds} s`, {
    headers: { ...limitHeaders(standing), "Retry-After": String(seconds) },
  });
}
