import { sql } from "drizzle-orm";
import type { Transaction } from "../database/client.ts";
import { AppError } from "../errors.ts";
import type { AccountQueue } from "../sync/account-queue.ts";
import { lockCounter } from "../sync/counter.ts";
import { giveNewVersions } from "../sync/links.ts";

/**
 * Changes something about the bytes of photos, under the account's counter: the photos get a new version, so that every
 * phone hears of it, and nobody's edit is touched. Nothing is done when the account was erased meanwhile.
 * @param change does it. @returns ids of the photos that show differently from now on
 */
export async function showDifferently(
  accounts: AccountQueue,
  userId: string,
  change: (tx: Transaction) => Promise<readonly string[]>,
): Promise<void> {
  try {
    await accounts.transaction(userId, async (tx) => {
      const counter = await lockCounter(tx, userId);
      await giveNewVersions(tx, sql`photos`, userId, await change(tx), () => counter.next());
      await counter.save();
    });
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== "UNAUTHORIZED") throw error;
  }
}
