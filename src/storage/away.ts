import { AppError, unavailable } from "../errors.ts";

/** 503 of a storage that cannot do what it is asked to now. The cause is for the log. */
export function away(
  cause: unknown,
  message = "The storage of pictures is away for a moment; try again",
): AppError {
  const error = unavailable(message);
  error.cause = cause;
  return error;
}

/** What lies behind an error that phones are told of; any other error is its own cause. */
export const causeOf = (error: unknown): unknown =>
  error instanceof AppError ? (error.cause ?? error) : error;

/** 503 of a storage without room. */
export const diskFull = (cause: unknown): AppError => away(cause, "The disk is full");
