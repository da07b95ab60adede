import { sql } from "drizzle-orm";
import type { Config } from "../config/config.ts";
import type { Log } from "../log.ts";
import { type ConnectionTarget, connect, type DatabaseClient, parseDatabaseUrl } from "./client.ts";
import { connectionToRunning, type EmbeddedConnection } from "./embedded/connection.ts";
import { EmbeddedPostgresError } from "./embedded/error.ts";
import { startEmbeddedPostgres } from "./embedded/server.ts";
import { codeOf, isTransient } from "./sqlstate.ts";

/** The configured database cannot be used. Nothing is created in its place. */
export class DatabaseUnavailableError extends Error {}

/** Oldest Postgres that the schema and the statements are tested with. */
const oldestServer = 150000;

/** The configured database server, or null where the embedded one is meant. */
export function configuredTarget(config: Config): ConnectionTarget | null {
  const ssl = config.databaseSslMode && {
    ssl: config.databaseSslMode === "disable" ? (false as const) : config.databaseSslMode,
  };
  const { databaseUser: user, databasePassword: password } = config;
  if (config.databaseUrl) return { ...parseDatabaseUrl(config.databaseUrl, { user, password }), ...ssl };
  if (!config.databaseHost) return null;
  return {
    host: config.databaseHost,
    port: config.databasePort,
    user,
    database: config.databaseName,
    ...(password && { password }),
    ...ssl,
  };
}

function explain(error: unknown, target: ConnectionTarget): DatabaseUnavailableError {
  const place = target.path ?? `${target.host}:${target.port}`;
  const code = codeOf(error);
  if (code === "3D000") {
    return new DatabaseUnavailableError(
      `There is no database "${target.database}" at ${place}. Create it: CREATE DATABASE ${target.database} OWNER ${target.user};`,
    );
  }
  if (code?.startsWith("28")) {
    return new DatabaseUnavailableError(
      `The database at ${place} refuses the user "${target.user}" or the password.`,
    );
  }
  return new DatabaseUnavailableError(
    `No database answers at ${place} (${code ?? "unknown error"}). Check DATABASE_URL, or whether the server runs.`,
  );
}

async function requireServerVersion(client: DatabaseClient): Promise<void> {
  const [row] = await client.db.execute<{ version: number }>(
    sql`SELECT current_setting('server_version_num')::int AS version`,
  );
  if (row && row.version >= oldestServer) return;
  throw new DatabaseUnavailableError(
    `The database is Postgres ${Math.floor((row?.version ?? 0) / 10000)}; 15 or later is needed.`,
  );
}

/** Waits for a server that may still be starting, as in a compose file. */
async function waitFor(
  client: DatabaseClient,
  target: ConnectionTarget,
  log: Log,
  seconds: number,
): Promise<void> {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    try {
      return await requireServerVersion(client);
    } catch (error) {
      if (error instanceof DatabaseUnavailableError) throw error;
      if (!isTransient(error) || Date.now() > deadline) throw explain(error, target);
      log.warn({ code: codeOf(error) }, "waiting for the database");
      await Bun.sleep(1000);
    }
  }
}

async function openConfigured(
  target: ConnectionTarget,
  config: Config,
  log: Log,
  options: OpenOptions,
): Promise<DatabaseClient> {
  const client = connect(named(target, options), config.databaseMaxPoolSize);
  try {
    await waitFor(client, target, log, options.waitSeconds);
    return client;
  } catch (error) {
    await client.close(0);
    throw error;
  }
}

export interface OpenOptions {
  /** How long a configured server may take to answer. */
  readonly waitSeconds: number;
  /** Told when the embedded database cannot be kept running. */
  readonly onFatal: (error: Error) => void;
  /** A running server's embedded database may be used: for commands beside it. */
  readonly joinsRunning: boolean;
  /** What the server calls the sessions, when not `trailglass`. */
  readonly applicationName?: string;
}

const named = (target: ConnectionTarget, { applicationName }: OpenOptions): ConnectionTarget => ({
  ...target,
  ...(applicationName && { applicationName }),
});

interface Embedded {
  readonly connection: EmbeddedConnection;
  stop(): Promise<void>;
}

async function startOrJoin(
  config: Config,
  log: Log,
  { onFatal, joinsRunning }: OpenOptions,
): Promise<Embedded> {
  try {
    return await startEmbeddedPostgres({ dataDir: config.dataDir, log, onFatal });
  } catch (error) {
    if (!joinsRunning || !(error instanceof EmbeddedPostgresError) || error.code !== "in_use") throw error;
    return { connection: connectionToRunning(config.dataDir), stop: async () => {} };
  }
}

/**
 * Opens the configured database, or starts the embedded one where none is configured.
 * @throws DatabaseUnavailableError when a configured one cannot be reached: never is an empty one made instead.
 * @throws EmbeddedPostgresError when the embedded one cannot be started.
 */
export async function openDatabase(config: Config, log: Log, options: OpenOptions): Promise<DatabaseClient> {
  const target = configuredTarget(config);
  if (target) return openConfigured(target, config, log, options);
  const server = await startOrJoin(config, log, options);
  const { path, user, database } = server.connection;
  const client = connect(named({ path, user, database }, options), config.databaseMaxPoolSize);
  return {
    ...client,
    async close(seconds) {
      await client.close(seconds);
      await server.stop();
    },
  };
}
