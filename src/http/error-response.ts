import { isTransient } from "../database/sqlstate.ts";
import { AppError, unavailable } from "../errors.ts";
import type { Log } from "../log.ts";
import type { RequestState } from "./request-state.ts";

/** Any thrown thing as the error that the client is told. What is unknown becomes a plain 500. */
export function toAppError(error: unknown): AppError {
  if (error instanceof AppError) return error;
  if (isTransient(error)) return unavailable("The database is away for a moment; try again");
  if ((error as { code?: unknown } | null)?.code === "NOT_FOUND")
    return new AppError("NOT_FOUND", "There is nothing at this address");
  return new AppError(
    "INTERNAL_SERVER_ERROR",
    "Something went wrong on the server; its log has this request id",
  );
}

/** The one place where an error becomes an answer. */
export function errorResponse(error: AppError, requestId: string | null): Response {
  const { details = null, body, headers } = error.extras;
  return Response.json(
    {
      error: error.code,
      message: error.message,
      details,
      timestamp: new Date().toISOString(),
      requestId,
      ...body,
    },
    { status: error.status, headers: { "Cache-Control": "no-store", ...headers } },
  );
}

/** Logs what went wrong on our side; what the client did wrong is in the access log already. */
export function logError(log: Log, thrown: unknown, told: AppError, state?: RequestState): void {
  if (told.status < 500) return;
  const { id: requestId = null, accountId, route } = state ?? {};
  const of = { requestId, ...(accountId && { accountId }), ...(route && { route }) };
  log[told.status === 503 ? "warn" : "error"]({ ...of, err: thrown }, "request failed");
}
