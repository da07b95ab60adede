import { ConfigError } from "../src/config/config.ts";
import { type Context, createContext, type Overrides } from "../src/context.ts";
import { EmbeddedPostgresError } from "../src/database/embedded/error.ts";
import { SchemaError } from "../src/database/migrator.ts";
import { DatabaseUnavailableError } from "../src/database/open.ts";
import { AppError } from "../src/errors.ts";
import { ListenError } from "../src/http/server.ts";
import { createLog } from "../src/log.ts";
import { StorageAwayError } from "../src/storage/inspection.ts";
import { loadConfig } from "./environment.ts";

/** Something the person at the keyboard asked for cannot be done; the message says why. Exit code 1. */
export class CommandError extends Error {}

/** Exit codes after BSD sysexits.h. */
const exitCodes: readonly [new (...args: never[]) => Error, number][] = [
  [ConfigError, 78],
  [DatabaseUnavailableError, 69],
  [EmbeddedPostgresError, 69],
  [SchemaError, 69],
  [ListenError, 69],
  [StorageAwayError, 69],
  [CommandError, 1],
  [AppError, 1],
];

/** Prints one clear line for an error that was foreseen, the whole of one that was not; returns the exit code. */
export function explainFailure(error: unknown): number {
  const known = exitCodes.find(([type]) => error instanceof type);
  if (known) console.error(`trailglass: ${(error as Error).message}`);
  else console.error("trailglass: unexpected error\n", error);
  return known?.[1] ?? 70;
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
