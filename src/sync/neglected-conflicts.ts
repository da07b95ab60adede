import { sql } from "drizzle-orm";
import type { Queryable } from "../database/client.ts";

export interface NeglectedConflicts extends Record<string, unknown> {
  readonly userId: string;
  readonly conflicts: number;
}

/** Conflicts that nobody has resolved in so many days, by account, most first. */
export async function readNeglectedConflicts(db: Queryable, days: number): Promise<NeglectedConflicts[]> {
  return db.execute<NeglectedConflicts>(sql`
    SELECT user_id AS "userId", count(*) AS conflicts FROM sync_conflicts
    WHERE status = 'open' AND created_at < now() - make_interval(days => ${days})
    GROUP BY user_id ORDER BY conflicts DESC, user_id`);
}
