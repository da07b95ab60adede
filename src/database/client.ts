import type { SQL } from "drizzle-orm";
import { PgDialect } from "drizzle-orm/pg-core";
import { drizzle, type PostgresJsDatabase } from "drizzle-orm/postgres-js";
import postgres from "postgres";

/** What repositories take: the pool, or the transaction that they are part of. */
export type Database = PostgresJsDatabase<Record<string, never>>;
export type Transaction = Parameters<Parameters<Database["transaction"]>[0]>[0];
export type Queryable = Database | Transaction;

/** Where a database is and how to sign in. `path` is a Unix socket and wins over `host`. */
export interface ConnectionTarget {
  readonly host?: string;
  readonly port?: number;
  readonly path?: string;
  readonly user: string;
  readonly password?: string;
  readonly database: string;
  readonly ssl?: "require" | "prefer" | false;
  /** The only schema that names without one are looked up in; the default is the database's own choice. */
  readonly schema?: string;
  /** What the server calls its sessions; the default is `trailglass`. */
  readonly applicationName?: string;
}

/** What somebody who listens does. */
export interface Listener {
  /** There was a notification. */
  onNews(): void;
  /** From now on notifications arrive; also after the connection was lost, when some may have been missed. */
  onListening(): void;
}

export interface DatabaseClient {
  readonly db: Database;
  readonly sql: postgres.Sql;
  /**
   * Listens on a connection of its own, which is opened again whenever it is lost, until `close`.
   * @throws what the first attempt met; unless the database refuses to let anybody listen, others follow
   */
  listen(channel: string, listener: Listener): Promise<void>;
  /** Another pool to the same database, whose tables are those of one schema; whoever opens it closes it. */
  inSchema(schema: string, poolSize: number): DatabaseClient;
  /** Waits up to `seconds` for running statements, then cuts them off. */
  close(seconds?: number): Promise<void>;
}

/**
 * Splits a postgres:// URL. Percent-encoded parts are decoded; `sslmode` is taken from the query, and so are `user`
 * and `password` as JDBC writes them.
 * @param otherwise whom to sign in as when the URL does not say
 */
export function parseDatabaseUrl(
  text: string,
  otherwise: { user?: string | undefined; password?: string | undefined } = {},
): ConnectionTarget {
  const url = new URL(text);
  const user = decodeURIComponent(url.username) || url.searchParams.get("user");
  const password = decodeURIComponent(url.password) || url.searchParams.get("password") || otherwise.password;
  const mode = url.searchParams.get("sslmode");
  const host = url.searchParams.get("host") ?? decodeURIComponent(url.hostname).replace(/^\[|\]$/g, "");
  const port = Number(url.port || url.searchParams.get("port") || 5432);
  return {
    // A host that is a folder is where the server's Unix socket lies, as libpq has it.
    ...(host.startsWith("/") ? { path: `${host}/.s.PGSQL.${port}` } : { host: host || "localhost", port }),
    user: user || otherwise.user || "trailglass",
    ...(password && { password }),
    database: decodeURIComponent(url.pathname.slice(1)) || "trailglass",
    ...(mode && {
      ssl: mode === "disable" ? false : mode === "prefer" || mode === "allow" ? "prefer" : "require",
    }),
  };
}

/**
 * Lets the driver prepare statements that carry parameters: drizzle hands it their texts, which then are parsed and
 * described anew each time, at the price of another round trip. Its texts are few, so few statements are kept.
 */
function preparing<Client extends postgres.ISql>(client: Client): Client {
  const { unsafe } = client;
  client.unsafe = ((text: string, parameters: postgres.ParameterOrJSON<never>[] = [], options = {}) =>
    unsafe(text, parameters, { ...options, prepare: parameters.length > 0 })) as Client["unsafe"];
  return client;
}

/** The same for the clients that transactions are given. */
function preparingInTransactions(client: postgres.Sql): postgres.Sql {
  const { begin } = client;
  client.begin = ((run: (tx: postgres.TransactionSql) => unknown) =>
    begin((tx) => run(preparing(tx)))) as postgres.Sql["begin"];
  return preparing(client);
}

/**
 * Runs a query and hands its values over as the bytes that Postgres sent: for text by the megabyte, which only passes
 * through. Drizzle has no way to ask its driver for that.
 * @returns a list of values a row; null where the value is
 */
export async function executeRaw(tx: Transaction, query: SQL): Promise<(Uint8Array | null)[][]> {
  const { sql: text, params } = dialect.sqlToQuery(query);
  return driverOf(tx)
    .unsafe(text, params as postgres.ParameterOrJSON<never>[])
    .raw();
}

const dialect = new PgDialect();

/** What drizzle has no way to ask for is asked of the driver itself, in the same transaction. */
export const driverOf = (tx: Transaction): postgres.TransactionSql =>
  (tx as unknown as { session: { client: postgres.TransactionSql } }).session.client;

/** Opens a pool. Nothing connects before the first query. int8 comes as a number: versions stay below 2^53. */
export function connect(target: ConnectionTarget, poolSize: number): DatabaseClient {
  const sql = postgres({
    ...target,
    ssl: target.ssl ?? (target.path ? false : "prefer"),
    max: poolSize,
    connect_timeout: 5,
    idle_timeout: 300,
    // Seconds before the next attempt: the driver's own 20 would leave phones waiting after the database is back.
    backoff: (attempt: number) => Math.min(2 ** attempt / 100, 1),
    onnotice: () => {},
    connection: {
      application_name: target.applicationName ?? "trailglass",
      TimeZone: "UTC",
      ...(target.schema && { search_path: `"${target.schema}"` }),
    },
    types: { int8: { to: 20, from: [20], parse: Number, serialize: String } },
  });
  return {
    db: drizzle(preparingInTransactions(sql)),
    sql,
    listen: async (channel, { onNews, onListening }) => {
      await sql.listen(channel, onNews, onListening);
    },
    inSchema: (schema, size) => connect({ ...target, schema }, size),
    close: (seconds = 5) => sql.end({ timeout: seconds }),
  };
}
