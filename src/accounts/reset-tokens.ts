import { and, eq, isNull, sql } from "drizzle-orm";
import type { Queryable, Transaction } from "../database/client.ts";
import { hashToken, newSecretToken } from "./secret-token.ts";
import { passwordResetTokens, users } from "./tables.ts";

/** Life of a reset token. Source: the HTTP contract, "Auth". */
const lifeMinutes = 30;

const isGood = sql`${passwordResetTokens.usedAt} IS NULL AND ${passwordResetTokens.expiresAt} > now()`;

/** Makes every reset token of an account useless. */
export async function voidResetTokens(tx: Transaction, userId: string): Promise<void> {
  await tx
    .update(passwordResetTokens)
    .set({ usedAt: sql`now()` })
    .where(and(eq(passwordResetTokens.userId, userId), isNull(passwordResetTokens.usedAt)));
}

/** Gives an account a new reset token; the caller holds the account's lock. Old rows are cleared away. */
export async function insertResetToken(tx: Transaction, userId: string): Promise<string> {
  const { token, hash: tokenHash } = newSecretToken();
  await tx
    .delete(passwordResetTokens)
    .where(and(eq(passwordResetTokens.userId, userId), sql`NOT (${isGood})`));
  await voidResetTokens(tx, userId);
  const expiresAt = sql`now() + make_interval(mins => ${lifeMinutes})`;
  await tx.insert(passwordResetTokens).values({ userId, id: crypto.randomUUID(), tokenHash, expiresAt });
  return token;
}

/** The account that a good reset token belongs to, unless it is disabled. */
export async function findResetAccount(
  db: Queryable,
  token: string,
): Promise<{ userId: string; email: string } | undefined> {
  const [found] = await db
    .select({ userId: users.id, email: users.email })
    .from(passwordResetTokens)
    .innerJoin(users, eq(users.id, passwordResetTokens.userId))
    .where(and(eq(passwordResetTokens.tokenHash, hashToken(token)), isGood, isNull(users.disabledAt)));
  return found;
}
