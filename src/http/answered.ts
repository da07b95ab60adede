import type { RequestState } from "./request-state.ts";

/** A request that was answered. */
export interface Answered {
  readonly method: string;
  /** With `:names` where paths differ; undefined where there is no such route. */
  readonly route: string | undefined;
  readonly status: number;
  /** From its arrival to the head of the answer. */
  readonly milliseconds: number;
}

/** What the log says of a request. */
export function lineOf({ id, accountId }: RequestState, path: string, answered: Answered): object {
  const { method, route, status, milliseconds } = answered;
  return {
    requestId: id,
    ...(accountId && { accountId }),
    method,
    path,
    ...(route && { route }),
    status,
    durationMs: Math.round(milliseconds * 10) / 10,
  };
}
