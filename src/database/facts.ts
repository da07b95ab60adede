import { sql } from "drizzle-orm";
import type { Database, Queryable } from "./client.ts";

export interface ServerFacts extends Record<string, unknown> {
  /** For example "18.4". */
  readonly version: string;
  /** Milliseconds since 1970, by the clock of the database's machine. */
  readonly now: number;
}

/** Whether the database answers at all. @throws when it does not */
export async function ping(db: Queryable): Promise<void> {
  await db.execute(sql`SELECT 1`);
}

/** What a database server says of itself. */
export async function readServerFacts(db: Queryable): Promise<ServerFacts> {
  const [facts] = await db.execute<ServerFacts>(sql`
    SELECT split_part(current_setting('server_version'), ' ', 1) AS version,
      (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now`);
  if (!facts) throw new Error("the database says nothing of itself");
  return facts;
}

/**
 * Rows of every table. Those of large ones are counted, too: an estimate would hide what is lost.
 * @param seconds after which it is given up
 */
export async function countRows(db: Database, seconds: number): Promise<Record<string, number>> {
  return db.transaction(
    async (tx) => {
      await tx.execute(sql.raw(`SET LOCAL statement_timeout = ${Math.round(seconds * 1000)}`));
      const tables = await tx.execute<{ name: string }>(sql`
        SELECT c.relname AS name FROM pg_class c
        WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' ORDER BY 1`);
      const counts: Record<string, number> = {};
      for (const { name } of tables) {
        const [row] = await tx.execute<{ rows: number }>(
          sql`SELECT count(*) AS rows FROM ${sql.identifier(name)}`,
        );
        counts[name] = row?.rows ?? 0;
      }
      return counts;
    },
    { accessMode: "read only", isolationLevel: "repeatable read" },
  );
}
