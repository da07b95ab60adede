import { BackupError, type BackupProblem } from "../src/backup/error.ts";
import { ConfigError } from "../src/config/config.ts";
import { type Context, createContext, type Overrides } from "../src/context.ts";
import { EmbeddedPostgresError } from "../src/database/embedded/error.ts";
import { SchemaError } from "../src/database/migrator.ts";
import { DatabaseUnavailableError } from "../src/database/open.ts";
import { AppError } from "../src/errors.ts";
import { ImportError } from "../src/exports/import/import-error.ts";
import { ListenError } from "../src/http/server.ts";
import { createLog } from "../src/log.ts";
import { StorageAwayError } from "../src/storage/inspection.ts";
import { loadConfig } from "./environment.ts";

/** Something the person at the keyboard asked for cannot be done; the message says why. Exit code 1. */
export class CommandError extends Error {}

/** The command line asks for what cannot be: the message says what is missing or too much. Exit code 64. */
export class UsageError extends Error {}

/** Somebody broke it off; the message says what that left behind. */
export class InterruptedError extends Error {
  /** @param exitCode as shells have it: 128 and the signal's number */
  constructor(
    message: string,
    readonly exitCode = 130,
  ) {
    super(message);
  }
}

/** Exit codes of backups, after BSD sysexits.h. */
const backupCodes: Record<BackupProblem, number> = {
  busy: 75,
  unwritable: 73,
  sealed: 78,
  damaged: 1,
  refused: 1,
};

/** Exit codes after BSD sysexits.h. */
const exitCodes: readonly [new (...args: never[]) => Error, number][] = [
  [ConfigError, 78],
  [DatabaseUnavailableError, 69],
  [EmbeddedPostgresError, 69],
  [SchemaError, 69],
  [ListenError, 69],
  [StorageAwayError, 69],
  [ImportError, 1],
  [CommandError, 1],
  [UsageError, 64],
  [AppError, 1],
];

/** Null for an error that nobody foresaw. */
function exitCodeOf(error: unknown): number | null {
  if (error instanceof InterruptedError) return error.exitCode;
  if (error instanceof BackupError) return backupCodes[error.problem];
  return exitCodes.find(([type]) => error instanceof type)?.[1] ?? null;
}

/** What the machine does not give, whoever asks: room, permission, files at once. Not a defect of the program. */
const ofMachine = ["ENOSPC", "EDQUOT", "EROFS", "EACCES", "EPERM", "EMFILE", "ENFILE", "EIO"];

/** Exit code for a file that cannot be made or written. */
const cannotCreate = 73;

const isOfMachine = (error: unknown): error is Error =>
  error instanceof Error && ofMachine.includes(String((error as { code?: unknown }).code));

/** Prints one clear line for an error that was foreseen, the whole of one that was not; returns the exit code. */
export function explainFailure(error: unknown): number {
  const code = exitCodeOf(error) ?? (isOfMachine(error) ? cannotCreate : null);
  if (code !== null) console.error(`trailglass: ${(error as Error).message}`);
  else console.error("trailglass: unexpected error\n", error);
  return code ?? 70;
}

export interface GlobalOptions {
  config?: string;
}

/**
 * Runs a command of an administrator: configuration → context → action → dispose. Logs stay quiet, so that what
 * the command prints stands alone.
 */
export async function withContext<T>(
  options: GlobalOptions,
  action: (context: Context) => Promise<T>,
  overrides: Overrides = {},
): Promise<T> {
  const config = loadConfig(options.config);
  const log = createLog({
    level: "warn",
    format: "pretty",
    destination: { write: (line) => process.stderr.write(line) },
  });
  const context = await createContext(config, {
    log,
    databaseWaitSeconds: 5,
    joinsRunning: true,
    ...overrides,
  });
  try {
    return await action(context);
  } finally {
    await context.dispose();
  }
}
