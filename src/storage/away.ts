import { type AppError, unavailable } from "../errors.ts";

/** 503 of a storage that cannot do what it is asked to now. The cause is for the log. */
export function away(
  cause: unknown,
  message = "The storage of pictures is away for a moment; try again",
): AppError {
  const error = unavailable(message);
  error.cause = cause;
  return error;
}

/** 503 of a storage without room. */
export const diskFull = (cause: unknown): AppError => away(cause, "The disk is full");
