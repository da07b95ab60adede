import { and, eq, sql } from "drizzle-orm";
import type { Queryable, Transaction } from "../database/client.ts";
import { hashToken, newSecretToken } from "./secret-token.ts";
import { invites } from "./tables.ts";

/**
 * Makes an invite.
 * @param email the only address that may use it; null for whoever holds it
 * @returns the token, which is stored nowhere
 */
export async function createInvite(
  db: Queryable,
  email: string | null,
  lifeSeconds: number,
): Promise<{ id: string; token: string }> {
  const id = crypto.randomUUID();
  const { token, hash: tokenHash } = newSecretToken();
  const expiresAt = sql`now() + make_interval(secs => ${lifeSeconds})`;
  await db.insert(invites).values({ id, tokenHash, email, expiresAt });
  return { id, token };
}

const isGoodFor = (token: string, email: string) =>
  and(
    eq(invites.tokenHash, hashToken(token)),
    sql`${invites.usedAt} IS NULL AND ${invites.expiresAt} > now()
        AND (${invites.email} IS NULL OR lower(${invites.email}) = lower(${email}))`,
  );

/** Whether an invite would let this address in. */
export async function inviteIsGood(db: Queryable, token: string, email: string): Promise<boolean> {
  const found = await db.select({ id: invites.id }).from(invites).where(isGoodFor(token, email));
  return found.length > 0;
}

/** Uses an invite up. False when it is no good, or when somebody was faster. */
export async function useInvite(
  tx: Transaction,
  token: string,
  user: { id: string; email: string },
): Promise<boolean> {
  const used = await tx
    .update(invites)
    .set({ usedAt: sql`now()`, usedBy: user.id })
    .where(isGoodFor(token, user.email))
    .returning({ id: invites.id });
  return used.length > 0;
}
