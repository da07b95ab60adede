/**
 * Why a backup could not be made, read or restored. `busy`: another one is being made there. `unwritable`: the place of
 * backups takes nothing. `sealed`: the passphrase or key is missing or wrong. `damaged`: what was read is not what was
 * written. `refused`: it would do harm. Older backups are as they were.
 */
export type BackupProblem = "busy" | "unwritable" | "sealed" | "damaged" | "refused";

export class BackupError extends Error {
  constructor(
    readonly problem: BackupProblem,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
