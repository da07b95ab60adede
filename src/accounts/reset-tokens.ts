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

/** Tokens that an account is sent in the life of one. */
const mostTokens = 3;

/**
 * Whether an account was sent so many tokens that it gets no more for now; the caller holds the account's lock. It
 * always has a good one in its mailbox then, so that nobody keeps the owner out by asking in their name.
 */
export async function hasEnoughTokens(tx: Transaction, userId: string): Promise<boolean> {
  const { createdAt } = passwordResetTokens;
  const [row] = await tx
    .select({
      enough: sql<boolean>`coalesce(bool_or(${isGood}), false) AND
        count(*) FILTER (WHERE ${createdAt} > now() - make_interval(mins => ${lifeMinutes})) >= ${mostTokens}`,
    })
    .from(passwordResetTokens)
    .where(eq(passwordResetTokens.userId, userId));
  return row?.enough ?? false;
}

/** Gives an account a new reset token; the caller holds the account's lock. Rows past their time are cleared away. */
export async function insertResetToken(tx: Transaction, userId: string): Promise<string> {
  const { token, hash: tokenHash } = newSecretToken();
  await tx
    .delete(passwordResetTokens)
    .where(and(eq(passwordResetTokens.userId, userId), sql`${passwordResetTokens.expiresAt} <= now()`));
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
