import { sql } from "drizzle-orm";
import type { Queryable } from "./client.ts";

/** Whether tables may be made where the schema would go. */
export async function mayCreateTables(db: Queryable): Promise<boolean> {
  const [row] = await db.execute<{ allowed: boolean | null }>(
    sql`SELECT has_schema_privilege(current_schema(), 'CREATE') AS allowed`,
  );
  // Null where none of the schemas to look in exists.
  return row?.allowed === true;
}
