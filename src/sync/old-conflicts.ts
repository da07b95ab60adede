import { sql } from "drizzle-orm";
import type { Queryable } from "../database/client.ts";

/** Days for which both sides of a settled conflict stay readable. Source: sync.md, I4. */
const kept = 90;

/** Clears away conflicts that were settled long ago. One whose other side a device is still owed stays. */
export async function deleteOldConflicts(db: Queryable): Promise<void> {
  await db.execute(sql`
    DELETE FROM sync_conflicts
    WHERE status = 'resolved' AND NOT owed AND resolved_at < now() - make_interval(days => ${kept})`);
}
