import { sql } from "drizzle-orm";
import type { Database, Transaction } from "./client.ts";
import { readWithin } from "./read-within.ts";

/** What a database server has been doing. */
export interface DatabaseActivity {
  /** This program's connections by what they do: `active`, `idle`, `idle in transaction`. */
  readonly connections: Readonly<Record<string, number>>;
  /** Bytes of write-ahead log, since its statistics began. */
  readonly walBytes: number;
  /** Bytes written to the files of tables and indexes, likewise. */
  readonly fileBytes: number;
}

/** Milliseconds that Postgres may take for each of these. */
const patience = 1_500;

/** Writes to files. Where they are counted has moved from version to version; 18 also counts those of the log there. */
function fileBytesSql(version: number) {
  if (version >= 180000)
    return sql`SELECT coalesce(sum(coalesce(write_bytes, 0) + coalesce(extend_bytes, 0)), 0)::float8 AS bytes
      FROM pg_stat_io WHERE object <> 'wal'`;
  if (version >= 160000)
    return sql`SELECT coalesce(sum((coalesce(writes, 0) + coalesce(extends, 0)) * op_bytes), 0)::float8 AS bytes
      FROM pg_stat_io`;
  return sql`SELECT (buffers_checkpoint + buffers_clean + buffers_backend)::float8
      * current_setting('block_size')::int AS bytes FROM pg_stat_bgwriter`;
}

async function readWritten(tx: Transaction) {
  const [wal] = await tx.execute<{ version: number; bytes: number }>(
    sql`SELECT current_setting('server_version_num')::int AS version, wal_bytes::float8 AS bytes FROM pg_stat_wal`,
  );
  const [files] = await tx.execute<{ bytes: number }>(fileBytesSql(wal?.version ?? 0));
  return { walBytes: wal?.bytes ?? 0, fileBytes: files?.bytes ?? 0 };
}

/** Asks Postgres what it has been doing. Any user may. @throws when it takes long */
export async function readActivity(db: Database): Promise<DatabaseActivity> {
  return readWithin(db, patience, async (tx) => {
    const rows = await tx.execute<{ state: string; count: number }>(sql`
      SELECT coalesce(state, 'unknown') AS state, count(*) AS count FROM pg_stat_activity
      WHERE datname = current_database() AND application_name = current_setting('application_name') GROUP BY 1`);
    const connections = Object.fromEntries(rows.map(({ state, count }) => [state, count]));
    return { connections, ...(await readWritten(tx)) };
  });
}
