import { sql } from "drizzle-orm";
import type { AccountQueue } from "../../sync/account-queue.ts";
import { showDifferently } from "../shown-differently.ts";

/**
 * Notes why no thumbnail of an original can be made; null when there are thumbnails. Its photos show differently then.
 */
export async function notePreviewProblem(
  accounts: AccountQueue,
  key: string,
  problem: string | null,
): Promise<void> {
  const [found] = await accounts.db.execute<{ userId: string }>(sql`
    SELECT user_id AS "userId" FROM stored_objects
    WHERE key = ${key} AND preview_problem IS DISTINCT FROM ${problem}`);
  if (!found) return;
  await showDifferently(accounts, found.userId, async (tx) => {
    const shown = await tx.execute<{ id: string }>(sql`
      WITH noted AS (
        UPDATE stored_objects SET preview_problem = ${problem}
        WHERE key = ${key} AND preview_problem IS DISTINCT FROM ${problem} RETURNING user_id, sha256)
      SELECT p.id FROM noted JOIN photo_files f USING (user_id, sha256)
        JOIN photos p ON p.user_id = f.user_id AND p.id = f.photo_id WHERE p.deleted_at IS NULL`);
    return shown.map(({ id }) => id);
  });
}
