import { sql } from "drizzle-orm";
import type { Queryable } from "../database/client.ts";

/**
 * Clears away tokens that have been of no use to anybody for a day. Used refresh tokens stay until they would have expired:
 * by them a stolen one is recognised.
 */
export async function deleteExpiredTokens(db: Queryable): Promise<void> {
  await db.execute(sql`DELETE FROM refresh_tokens WHERE expires_at < now() - interval '1 day'`);
  await db.execute(sql`DELETE FROM password_reset_tokens WHERE expires_at < now() - interval '1 day'`);
  await db.execute(sql`DELETE FROM invites WHERE expires_at < now() - interval '30 days'`);
}
