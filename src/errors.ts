/** Every error a client can meet, and its HTTP status. */
export const errorStatus = {
  VALIDATION_ERROR: 400,
  HTTPS_REQUIRED: 400,
  UNAUTHORIZED: 401,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  VERSION_CONFLICT: 409,
  CONFLICT: 409,
  PAYLOAD_TOO_LARGE: 413,
  UNSUPPORTED_MEDIA_TYPE: 415,
  RANGE_NOT_SATISFIABLE: 416,
  RATE_LIMIT_EXCEEDED: 429,
  INTERNAL_SERVER_ERROR: 500,
  SERVICE_UNAVAILABLE: 503,
} as const;

export type ErrorCode = keyof typeof errorStatus;

interface Extras {
  /** Field path → what is wrong with it. Values are strings: phones fail to read anything else. */
  details?: Record<string, string>;
  /** Further keys of the body, beside the common ones. */
  body?: Record<string, unknown>;
  headers?: Record<string, string>;
}

/** The one error that services throw on purpose; anything else that is thrown is a defect and becomes a plain 500. */
export class AppError extends Error {
  readonly status: number;
  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly extras: Extras = {},
  ) {
    super(message);
    this.status = errorStatus[code];
  }
}

/** 400 with the path of each wrong field. */
export function invalid(details: Record<string, string>): AppError {
  const first = Object.entries(details)[0];
  return new AppError("VALIDATION_ERROR", first ? `${first[0]}: ${first[1]}` : "The request is not valid", {
    details,
  });
}

/** 401. */
export function unauthorized(message = "Sign in to do this"): AppError {
  return new AppError("UNAUTHORIZED", message, { headers: { "WWW-Authenticate": "Bearer" } });
}

/** 404, also for what belongs to another account. */
export function notFound(what: string): AppError {
  return new AppError("NOT_FOUND", `${what} not found`);
}

/** 503 with a hint when to come back. */
export function unavailable(message: string, retryAfterSeconds = 5): AppError {
  return new AppError("SERVICE_UNAVAILABLE", message, {
    headers: { "Retry-After": String(retryAfterSeconds) },
  });
}

/** 409 of a write whose expectedVersion is stale. */
export function versionConflict(currentVersion: number, expectedVersion: number, body = {}): AppError {
  return new AppError("VERSION_CONFLICT", "The entity has changed since; read it again", {
    body: { currentVersion, expectedVersion, ...body },
  });
}
