import { migrations } from "../migrations/index.ts";
import type { Config } from "./config/config.ts";
import type { Database, DatabaseClient } from "./database/client.ts";
import { migrate, requireCurrentSchema } from "./database/migrator.ts";
import { openDatabase } from "./database/open.ts";
import { RequestStates } from "./http/request-state.ts";
import { createLog, type Log } from "./log.ts";

/** Everything that the features are made of, built once. */
export interface Context {
  readonly config: Config;
  readonly log: Log;
  readonly db: Database;
  readonly requests: RequestStates;
  /** Lets go of everything, the last built first. */
  dispose(): Promise<void>;
}

/** What a caller may bring instead of what would be built. */
export interface Overrides {
  readonly log?: Log;
  /** An open pool; whoever brings it closes it. */
  readonly database?: DatabaseClient;
  /** What the schema needs before the features start: `none` leaves it alone. */
  readonly schema?: "migrate" | "require" | "none";
  readonly databaseWaitSeconds?: number;
  readonly onFatal?: (error: Error) => void;
}

function failLoudly(error: Error): never {
  throw error;
}

async function prepareSchema(db: Database, log: Log, wanted: "migrate" | "require" | "none"): Promise<void> {
  if (wanted === "require") await requireCurrentSchema(db, migrations);
  if (wanted !== "migrate") return;
  for (const { number, name } of await migrate(db, migrations))
    log.info({ number, name }, "migrated the schema");
}

/**
 * The composition root: builds every dependency once, in the order in which they need each other.
 * @throws what opening the database or bringing its schema up to date throws; nothing is left open then.
 */
export async function createContext(config: Config, overrides: Overrides = {}): Promise<Context> {
  const log = overrides.log ?? createLog({ level: config.logLevel, format: config.logFormat ?? "json" });
  const database =
    overrides.database ??
    (await openDatabase(config, log, {
      waitSeconds: overrides.databaseWaitSeconds ?? 30,
      onFatal: overrides.onFatal ?? failLoudly,
    }));
  const dispose = async () => {
    if (!overrides.database) await database.close();
  };
  try {
    const { db } = database;
    await prepareSchema(db, log, overrides.schema ?? (config.autoMigrate ? "migrate" : "require"));
    return { config, log, db, requests: new RequestStates(), dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}
