import { and, eq, isNull, sql } from "drizzle-orm";
import type { Queryable, Transaction } from "../database/client.ts";
import { hashToken, newSecretToken } from "./secret-token.ts";
import { passwordResetTokens, users } from "./tables.ts";

/** Life of a reset token. Source: the HTTP contract, "Auth". */
const lifeMinutes = 30;

const lifeFromNow = sql`now() + make_interval(mins => ${lifeMinutes})`;

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

/**
 * Gives an account a new reset token, and voids the one before; the caller holds the account's lock. It is good for
 * nothing until the mail of this id opens it. Rows past their time are cleared away.
 */
export async function insertResetToken(tx: Transaction, userId: string, mailId: string): Promise<void> {
  // The hash of a token that nobody has.
  const { hash: tokenHash } = newSecretToken();
  await tx
    .delete(passwordResetTokens)
    .where(and(eq(passwordResetTokens.userId, userId), sql`${passwordResetTokens.expiresAt} <= now()`));
  await voidResetTokens(tx, userId);
  await tx.insert(passwordResetTokens).values({ userId, id: mailId, tokenHash, expiresAt: lifeFromNow });
}

/**
 * Opens a reset token: its time begins, or begins anew when its mail is sent once more.
 * @returns false when it was used, or voided by a newer one
 */
export async function openResetToken(
  tx: Transaction,
  userId: string,
  mailId: string,
  tokenHash: Uint8Array,
): Promise<boolean> {
  const opened = await tx
    .update(passwordResetTokens)
    .set({ tokenHash, expiresAt: lifeFromNow })
    .where(
      and(
        eq(passwordResetTokens.userId, userId),
        eq(passwordResetTokens.id, mailId),
        isNull(passwordResetTokens.usedAt),
      ),
    )
    .returning({ id: passwordResetTokens.id });
  return opened.length > 0;
}

/** Ends all reset tokens that are out. A mail that was not sent yet opens another one. */
export async function endResetTokens(tx: Transaction): Promise<void> {
  await tx.update(passwordResetTokens).set({ expiresAt: sql`now()` }).where(isGood);
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
