import { sql } from "drizzle-orm";
import type { Transaction } from "../../database/client.ts";
import { AppError } from "../../errors.ts";
import type { AccountQueue } from "../../sync/account-queue.ts";
import { lockCounter } from "../../sync/counter.ts";
import { giveNewVersions } from "../../sync/links.ts";

async function write(tx: Transaction, userId: string, key: string, problem: string | null): Promise<void> {
  const counter = await lockCounter(tx, userId);
  const shown = await tx.execute<{ id: string }>(sql`
    WITH noted AS (
      UPDATE stored_objects SET preview_problem = ${problem}
      WHERE key = ${key} AND preview_problem IS DISTINCT FROM ${problem} RETURNING user_id, sha256)
    SELECT p.id FROM noted JOIN photo_files f USING (user_id, sha256)
      JOIN photos p ON p.user_id = f.user_id AND p.id = f.photo_id WHERE p.deleted_at IS NULL`);
  const ids = shown.map(({ id }) => id);
  await giveNewVersions(tx, sql`photos`, userId, ids, () => counter.next());
  await counter.save();
}

/**
 * Notes why no thumbnail of an original can be made; null when there are thumbnails. Its photos show differently then,
 * and every phone hears of it.
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
  try {
    await accounts.transaction(found.userId, (tx) => write(tx, found.userId, key, problem));
  } catch (error) {
    // The account was erased just now, and its pictures with it.
    if (!(error instanceof AppError) || error.code !== "UNAUTHORIZED") throw error;
  }
}
