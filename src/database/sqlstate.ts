/** SQLSTATE of a failed statement, or the driver's own code, wherever drizzle has wrapped it; undefined for other errors. */
export function codeOf(error: unknown): string | undefined {
  for (let at = error; at instanceof Error; at = at.cause) {
    const { code } = at as { code?: unknown };
    if (typeof code === "string") return code;
  }
  return undefined;
}

/** A row with the same key was there already. */
export const isUniqueViolation = (error: unknown) => codeOf(error) === "23505";

/** Codes of the driver and the socket when there is no server to talk to. */
const connectionCodes = new Set([
  "CONNECTION_CLOSED",
  "CONNECTION_ENDED",
  "CONNECTION_DESTROYED",
  "CONNECT_TIMEOUT",
  "ECONNREFUSED",
  "ECONNRESET",
  "ENOENT",
  "EPIPE",
  "ENOTFOUND",
  "ETIMEDOUT",
  "EHOSTUNREACH",
]);

/**
 * Whether the database was away, ran out of something or gave way to another transaction, so that the same
 * request may well succeed in a moment: connection exceptions (class 08), transaction rollback (40),
 * insufficient resources (53: disk full, too many connections), a lock that was not to be had (55) and operator intervention (57).
 * Source: PostgreSQL documentation, appendix A, error codes.
 */
export function isTransient(error: unknown): boolean {
  const code = codeOf(error);
  return code !== undefined && (connectionCodes.has(code) || /^(08|40|53|55|57)[0-9A-Z]{3}$/.test(code));
}
