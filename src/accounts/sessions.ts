import { sql } from "drizzle-orm";
import { z } from "zod";
import type { Database, Transaction } from "../database/client.ts";
import { enqueueMail } from "../email/enqueue-mail.ts";
import type { Mail } from "../email/mails.ts";
import { unauthorized } from "../errors.ts";
import type { Session } from "../http/guards.ts";
import { uuid } from "../http/text-schema.ts";
import type { Log } from "../log.ts";
import { type DeviceInfo, endSessions, signInDevice } from "./devices.ts";
import type { KeyRing } from "./key-ring.ts";
import * as refreshTokens from "./refresh-tokens.ts";
import { decideRotation } from "./rotation.ts";

/** What a device needs to go on; the keys are those of the API. */
export interface TokenPair {
  readonly accessToken: string;
  readonly refreshToken: string;
  /** Seconds until the access token expires. */
  readonly expiresIn: number;
}

/** A session that was written and not yet told to its device. */
export interface StartedSession extends Session {
  readonly refreshToken: string;
}

export interface SessionParts {
  readonly db: Database;
  readonly log: Log;
  readonly keys: KeyRing;
  readonly accessTokenSeconds: number;
  readonly refreshTokenSeconds: number;
}

const claimsSchema = z.object({ sub: uuid, did: uuid, sid: uuid });

function newDeviceMail(ownerId: string, { deviceName: device, platform }: DeviceInfo): Mail {
  const at = new Date().toISOString();
  return { template: "new-device", to: { ownerId }, values: { device, platform, at } };
}

/** Signed-in devices: a session begins with a sign-in, and every request and refresh is checked against the database. */
export class Sessions {
  constructor(readonly parts: SessionParts) {}

  /**
   * Signs a device in, within the transaction that found out that it may. Ends the device's session before. An account that
   * has other devices is told by mail of one that it has not seen.
   */
  async start(tx: Transaction, userId: string, device: DeviceInfo): Promise<StartedSession> {
    const session = { userId, deviceId: device.deviceId, sessionId: crypto.randomUUID() };
    const isStrange = await signInDevice(tx, userId, device, session.sessionId);
    if (isStrange) await enqueueMail(tx, newDeviceMail(userId, device));
    const life = this.parts.refreshTokenSeconds;
    return { ...session, refreshToken: await refreshTokens.insertRefreshToken(tx, session, null, life) };
  }

  /** Signs the access token. Outside of any transaction: it may have to read keys through the pool. */
  async tokens({ userId, deviceId, sessionId, refreshToken }: StartedSession): Promise<TokenPair> {
    const expiresIn = this.parts.accessTokenSeconds;
    const claims = { sub: userId, did: deviceId, sid: sessionId };
    const expiresAt = Math.floor(Date.now() / 1000) + expiresIn;
    return { accessToken: await this.parts.keys.sign(claims, expiresAt), refreshToken, expiresIn };
  }

  /**
   * Whose token this is. The database is asked every time, so that whoever was signed out is out at once.
   * @throws 401
   */
  async verify(token: string): Promise<Session> {
    const claims = claimsSchema.safeParse(await this.parts.keys.verify(token));
    if (!claims.success) throw unauthorized("The access token is not valid; refresh it");
    const { sub: userId, did: deviceId, sid: sessionId } = claims.data;
    const live = await this.parts.db.execute(sql`
      SELECT 1 FROM devices d JOIN users u ON u.id = d.user_id
      WHERE d.user_id = ${userId} AND d.device_id = ${deviceId} AND d.session_id = ${sessionId}
        AND u.disabled_at IS NULL`);
    if (live.length === 0) throw unauthorized("This session has ended; sign in again");
    return { userId, deviceId, sessionId };
  }

  /**
   * Exchanges a refresh token for a new pair.
   * @param deviceId the device that presents it
   * @param found told whose token it is before it is used up; what it throws leaves the token as it was
   * @throws 401 when the token is no good, is another device's, or was used before; the last ends the session.
   */
  async refresh(
    token: string,
    deviceId: string,
    found: (userId: string) => Promise<unknown> = async () => {},
  ): Promise<TokenPair> {
    const stored = await refreshTokens.findRefreshToken(this.parts.db, token);
    if (stored?.deviceId !== deviceId) throw unauthorized("Sign in again");
    await found(stored.userId);
    // The answer to a reused token is an error, yet the end of its session must be committed.
    const refreshToken = await this.parts.db.transaction((tx) => this.#rotate(tx, stored));
    if (refreshToken === null) throw unauthorized("Sign in again");
    return this.tokens({ ...stored, refreshToken });
  }

  async #rotate(tx: Transaction, stored: refreshTokens.StoredToken): Promise<string | null> {
    const presented = await refreshTokens.examine(tx, stored);
    const verdict = presented ? decideRotation(presented) : "refuse";
    if (verdict === "refuse") return null;
    if (verdict === "end-session") {
      await this.#endReused(tx, stored);
      return null;
    }
    if (verdict === "rotate") await refreshTokens.markUsed(tx, stored);
    return refreshTokens.insertRefreshToken(tx, stored, stored.id, this.parts.refreshTokenSeconds);
  }

  async #endReused(
    tx: Transaction,
    { userId, deviceId, sessionId }: refreshTokens.StoredToken,
  ): Promise<void> {
    await endSessions(tx, userId, { deviceId });
    await refreshTokens.revokeFamily(tx, { userId, deviceId, sessionId });
    this.parts.log.warn(
      { accountId: userId, deviceId },
      "a refresh token was used twice; its session has ended",
    );
  }

  /** Signs one device of an account out. */
  async end(userId: string, deviceId: string): Promise<void> {
    await endSessions(this.parts.db, userId, { deviceId });
  }
}
