import { and, eq, isNull, sql } from "drizzle-orm";
import type { Queryable, Transaction } from "../database/client.ts";
import type { PresentedToken } from "./rotation.ts";
import { hashToken, newSecretToken } from "./secret-token.ts";
import { devices, refreshTokens } from "./tables.ts";

/** A session of a device, as the tokens name it. */
export interface SessionKey {
  readonly userId: string;
  readonly deviceId: string;
  readonly sessionId: string;
}

export interface StoredToken extends SessionKey {
  readonly id: string;
}

/**
 * For how long after its use a token may be presented again by a device that never got the answer.
 * Source: the HTTP contract, "Auth".
 */
const graceSeconds = 60;

/**
 * Gives a session a further refresh token, and clears away what the device can use no more.
 * @param parentId the token that this one is given for; null for the first of a session
 */
export async function insertRefreshToken(
  tx: Transaction,
  session: SessionKey,
  parentId: string | null,
  lifeSeconds: number,
): Promise<string> {
  const { userId, deviceId, sessionId } = session;
  const { token, hash: tokenHash } = newSecretToken();
  await tx.delete(refreshTokens).where(
    sql`${refreshTokens.userId} = ${userId} AND ${refreshTokens.deviceId} = ${deviceId}
        AND (${refreshTokens.sessionId} <> ${sessionId} OR ${refreshTokens.expiresAt} <= now())`,
  );
  await tx.insert(refreshTokens).values({
    userId,
    id: crypto.randomUUID(),
    deviceId,
    sessionId,
    parentId,
    tokenHash,
    expiresAt: sql`now() + make_interval(secs => ${lifeSeconds})`,
  });
  return token;
}

/**
 * The token as it was handed out, if its session goes on; whether it is still good then is for `examine` to say. One of a
 * device that was signed out is nobody's: it must not use up what its former account may do.
 */
export async function findRefreshToken(db: Queryable, token: string): Promise<StoredToken | undefined> {
  const { userId, id, deviceId, sessionId, tokenHash, revokedAt, expiresAt } = refreshTokens;
  const [found] = await db
    .select({ userId, id, deviceId, sessionId })
    .from(refreshTokens)
    .innerJoin(
      devices,
      sql`${devices.userId} = ${userId} AND ${devices.deviceId} = ${deviceId} AND ${devices.sessionId} = ${sessionId}`,
    )
    .where(and(eq(tokenHash, hashToken(token)), isNull(revokedAt), sql`${expiresAt} > now()`));
  return found;
}

/**
 * Reads all that decides about a token, with its device locked until the transaction ends: of several requests
 * with one token, each sees what those before it did.
 */
export async function examine(tx: Transaction, token: StoredToken): Promise<PresentedToken | undefined> {
  const { userId, deviceId, id } = token;
  const [device] = await tx.execute<{ sessionLives: boolean }>(sql`
    SELECT coalesce(d.session_id = ${token.sessionId}, false) AS "sessionLives"
    FROM devices d WHERE d.user_id = ${userId} AND d.device_id = ${deviceId} FOR UPDATE`);
  // Read after the lock is ours: a statement sees what was committed before it began, not while it waited.
  const [presented] = await tx.execute<Omit<PresentedToken, "sessionLives">>(sql`
    SELECT t.expires_at <= now() AS expired, t.revoked_at IS NOT NULL AS revoked, t.used_at IS NOT NULL AS used,
      coalesce(t.used_at > now() - make_interval(secs => ${graceSeconds}), false) AS "usedLately",
      coalesce(bool_or(o.parent_id = t.parent_id AND o.used_at IS NOT NULL), false) AS "siblingUsed",
      coalesce(bool_or(o.parent_id = t.id AND o.used_at IS NOT NULL), false) AS "childUsed"
    FROM refresh_tokens t
    LEFT JOIN refresh_tokens o ON o.user_id = t.user_id AND o.device_id = t.device_id
      AND o.session_id = t.session_id AND o.id <> t.id AND o.parent_id IN (t.id, t.parent_id)
    WHERE t.user_id = ${userId} AND t.id = ${id} GROUP BY t.user_id, t.id`);
  return device && presented && { ...presented, sessionLives: device.sessionLives };
}

export async function markUsed(tx: Transaction, { userId, id }: StoredToken): Promise<void> {
  await tx
    .update(refreshTokens)
    .set({ usedAt: sql`clock_timestamp()` })
    .where(and(eq(refreshTokens.userId, userId), eq(refreshTokens.id, id)));
}

/** Revokes every token of a session. */
export async function revokeFamily(tx: Transaction, session: SessionKey): Promise<void> {
  await tx
    .update(refreshTokens)
    .set({ revokedAt: sql`now()` })
    .where(
      and(
        eq(refreshTokens.userId, session.userId),
        eq(refreshTokens.deviceId, session.deviceId),
        eq(refreshTokens.sessionId, session.sessionId),
        isNull(refreshTokens.revokedAt),
      ),
    );
}
