import { and, eq, isNull, sql } from "drizzle-orm";
import type { Queryable, Transaction } from "../database/client.ts";
import { hashToken, newSecretToken, type SecretToken } from "./secret-token.ts";
import { invites } from "./tables.ts";

export const daysInSeconds = (days: number): number => days * 86_400;

const fromNow = (seconds: number) => sql`now() + make_interval(secs => ${seconds})`;

/**
 * Makes an invite.
 * @param email the only address that may use it; null for whoever holds it
 * @param mailed the mail that brings it, and the token that this derives; a random one where no mail does
 * @returns the token, which is stored nowhere
 */
export async function createInvite(
  db: Queryable,
  email: string | null,
  lifeSeconds: number,
  mailed?: SecretToken & { id: string },
): Promise<{ id: string; token: string }> {
  const { id, token, hash: tokenHash } = mailed ?? { id: crypto.randomUUID(), ...newSecretToken() };
  await db.insert(invites).values({ id, tokenHash, email, expiresAt: fromNow(lifeSeconds) });
  return { id, token };
}

/** Opens an invite that a mail brings: its time begins anew. @returns false when it was used, or is gone */
export async function openInvite(
  tx: Transaction,
  id: string,
  tokenHash: Uint8Array,
  lifeSeconds: number,
): Promise<boolean> {
  const opened = await tx
    .update(invites)
    .set({ tokenHash, expiresAt: fromNow(lifeSeconds) })
    .where(and(eq(invites.id, id), isNull(invites.usedAt)))
    .returning({ id: invites.id });
  return opened.length > 0;
}

const isOpen = sql`${invites.usedAt} IS NULL AND ${invites.expiresAt} > now()`;

/** What an invite says, if it is good: the only address that may use it, or null. */
export async function findInvite(
  db: Queryable,
  token: string,
): Promise<{ email: string | null } | undefined> {
  const [found] = await db
    .select({ email: invites.email })
    .from(invites)
    .where(and(eq(invites.tokenHash, hashToken(token)), isOpen));
  return found;
}

/** Ends all invites that are out. A mail that was not sent yet opens another one. */
export async function endInvites(tx: Transaction): Promise<void> {
  await tx.update(invites).set({ expiresAt: sql`now()` }).where(isOpen);
}

const isGoodFor = (token: string, email: string) =>
  and(
    eq(invites.tokenHash, hashToken(token)),
    sql`${isOpen} AND (${invites.email} IS NULL OR lower(${invites.email}) = lower(${email}))`,
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
