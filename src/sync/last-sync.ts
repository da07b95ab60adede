import { sql } from "drizzle-orm";
import type { Queryable } from "../database/client.ts";

/** When any device last synced; null before the first time. */
export async function readLastSync(db: Queryable): Promise<Date | null> {
  const [row] = await db.execute<{ at: number | null }>(
    sql`SELECT (extract(epoch FROM max(last_sync_at)) * 1000)::float8 AS at FROM devices`,
  );
  return row?.at == null ? null : new Date(row.at);
}
