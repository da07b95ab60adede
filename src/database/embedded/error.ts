/** Why the embedded Postgres could not be started or kept running; stable, for exit codes and tests. */
export type EmbeddedPostgresErrorCode =
  | "in_use"
  | "other_major_version"
  | "not_a_cluster"
  | "cluster_missing"
  | "wrong_owner"
  | "not_writable"
  | "disk_full"
  | "no_system_user"
  | "runtime_missing"
  | "init_failed"
  | "start_failed"
  | "keeps_failing";

/** A failure whose message says in a sentence what is wrong and how to mend it; fit for the operator's eyes. */
export class EmbeddedPostgresError extends Error {
  override readonly name = "EmbeddedPostgresError";

  constructor(
    readonly code: EmbeddedPostgresErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

const SYMPTOMS: readonly [RegExp, "disk_full" | "not_writable", string][] = [
  [
    /ENOSPC|EDQUOT|No space left on device|Disk quota exceeded/,
    "disk_full",
    "Free some space there and start again.",
  ],
  [
    /EACCES|EPERM|EROFS|Permission denied|Operation not permitted|Read-only file system/,
    "not_writable",
    "Make it writable for the user that runs trailglass and start again.",
  ],
];

/**
 * Names the cause of a failed file operation or child process.
 * @param what the sentence's beginning, for example "The database folder /data/postgres could not be created"
 * @param cause the system error, or what the child wrote
 * @param otherwise the code when neither space nor permission is the matter
 */
export function explainFailure(
  what: string,
  cause: unknown,
  otherwise: EmbeddedPostgresErrorCode,
): EmbeddedPostgresError {
  if (cause instanceof EmbeddedPostgresError) return cause;
  const detail = cause instanceof Error ? cause.message : String(cause);
  const options = cause instanceof Error ? { cause } : undefined;
  for (const [pattern, code, remedy] of SYMPTOMS) {
    if (!pattern.test(detail)) continue;
    const reason = code === "disk_full" ? "the disk is full" : "access was denied";
    return new EmbeddedPostgresError(code, `${what}: ${reason} (${detail}). ${remedy}`, options);
  }
  return new EmbeddedPostgresError(otherwise, `${what}: ${detail}`, options);
}

/** The `code` of a system error ("ENOENT"), if it is one. */
export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
}
