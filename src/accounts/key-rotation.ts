import { isNotNull, isNull, sql } from "drizzle-orm";
import type { Database, Transaction } from "../database/client.ts";
import { linksSecret, renewSecret } from "../storage/server-secret.ts";
import { endInvites } from "./invites.ts";
import { mailedTokensSecret } from "./mailed-token.ts";
import { endResetTokens } from "./reset-tokens.ts";
import {
  announceKeys,
  endKeys,
  forgetKeys,
  insertConfiguredKey,
  insertRandomKey,
  type KeyOptions,
  lockKeys,
  retireKeys,
} from "./signing-keys.ts";
import { devices, refreshTokens } from "./tables.ts";

/** Signs every device of every account out. @returns how many were signed in */
async function endAllSessions(tx: Transaction): Promise<number> {
  // A refresh on its way is waited for, and then ended like the others; the next ones wait for this. Every request
  // that writes to both tables takes them in this order.
  await tx.execute(sql`LOCK TABLE devices, refresh_tokens IN EXCLUSIVE MODE`);
  const ended = await tx
    .update(devices)
    .set({ sessionId: null })
    .where(isNotNull(devices.sessionId))
    .returning({ deviceId: devices.deviceId });
  await tx.update(refreshTokens).set({ revokedAt: sql`now()` }).where(isNull(refreshTokens.revokedAt));
  return ended.length;
}

/** Ends what mails have brought. Those on their way hold the secret: they are waited for, and ended, too. */
async function endMailedTokens(tx: Transaction): Promise<void> {
  await renewSecret(tx, mailedTokensSecret);
  await endResetTokens(tx);
  await endInvites(tx);
}

/**
 * A new signing key, on all running servers as soon as this has committed; those before verify until the last token
 * that they signed has run out. All or nothing: whoever is cut off half-way has changed nothing.
 */
export async function rotateSigningKeys(
  db: Database,
  { jwtSecret, accessTokenSeconds }: KeyOptions,
): Promise<void> {
  await db.transaction(async (tx) => {
    await lockKeys(tx);
    // Noted so that it ends, too: no server may take it for a new one later.
    if (jwtSecret !== undefined) await insertConfiguredKey(tx, jwtSecret);
    await retireKeys(tx, accessTokenSeconds);
    await insertRandomKey(tx);
    await forgetKeys(tx);
    await announceKeys(tx);
  });
}

/**
 * The same when somebody may have got hold of keys or tokens: the keys before end at once, every session ends, and
 * links to pictures, to choose a password, and invites stop working. Passwords stay.
 * @returns how many devices were signed out
 */
export async function revokeSigningKeys(db: Database, { jwtSecret }: KeyOptions): Promise<number> {
  return db.transaction(async (tx) => {
    await lockKeys(tx);
    if (jwtSecret !== undefined) await insertConfiguredKey(tx, jwtSecret);
    await endKeys(tx);
    await insertRandomKey(tx);
    await forgetKeys(tx);
    await renewSecret(tx, linksSecret);
    await endMailedTokens(tx);
    const devicesOut = await endAllSessions(tx);
    await announceKeys(tx);
    return devicesOut;
  });
}
