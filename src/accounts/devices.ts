import { and, eq, isNotNull, ne, type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import type { Queryable, Transaction } from "../database/client.ts";
import { isoInstant } from "../database/instants.ts";
import { plainText, uuid } from "../http/text-schema.ts";
import { devices, users } from "./tables.ts";

const label = plainText(0, 200);

/** What a phone says about itself when it signs in. */
export const deviceInfo = z
  .object({
    deviceId: uuid,
    deviceName: label,
    platform: label,
    osVersion: label,
    appVersion: label,
  })
  .register(z.globalRegistry, { id: "DeviceInfo" });
export type DeviceInfo = z.infer<typeof deviceInfo>;

export interface Device extends DeviceInfo {
  /** When it registered, as long as it has not synced. */
  readonly lastSyncAt: string;
  readonly registeredAt: string;
  /** Whether it is signed in and may still refresh. */
  readonly isActive: boolean;
}

/**
 * Notes the device and makes this its only session: whoever was signed in there before is out.
 * @returns whether the account has not seen it before, but others
 */
export async function signInDevice(
  tx: Transaction,
  userId: string,
  info: DeviceInfo,
  sessionId: string,
): Promise<boolean> {
  const { deviceId, ...said } = info;
  const [noted] = await tx
    .insert(devices)
    .values({ userId, ...info, sessionId })
    .onConflictDoUpdate({
      target: [devices.userId, devices.deviceId], // Whoever signs in anew may have wiped what the device had.
      set: { ...said, sessionId, syncVersion: 0 },
    })
    .returning({
      // A row that was there already carries the lock of whoever updates it.
      isNew: sql<boolean>`xmax = 0`,
      hasOthers: sql<boolean>`EXISTS (SELECT FROM devices o WHERE o.user_id = ${userId} AND o.device_id <> ${deviceId})`,
    });
  return Boolean(noted?.isNew && noted.hasOthers);
}

/** Ends sessions of an account: all, those of one device, or all but one. */
export async function endSessions(
  db: Queryable,
  userId: string,
  which: { deviceId?: string; exceptSession?: string } = {},
): Promise<void> {
  await db
    .update(devices)
    .set({ sessionId: null })
    .where(
      and(
        eq(devices.userId, userId),
        isNotNull(devices.sessionId),
        which.deviceId === undefined ? undefined : eq(devices.deviceId, which.deviceId),
        which.exceptSession === undefined ? undefined : ne(devices.sessionId, which.exceptSession),
      ),
    );
}

export async function deviceExists(db: Queryable, userId: string, deviceId: string): Promise<boolean> {
  const found = await db
    .select({ id: devices.deviceId })
    .from(devices)
    .where(and(eq(devices.userId, userId), eq(devices.deviceId, deviceId)));
  return found.length > 0;
}

/** The account with an email, and whether it was ever signed in on a device. Looks the same up whatever there is. */
export async function findKnownAccount(
  db: Queryable,
  email: string,
  deviceId: string,
): Promise<{ userId: string; hasDevice: boolean } | undefined> {
  const [found] = await db
    .select({ userId: users.id, hasDevice: sql<boolean>`${devices.deviceId} IS NOT NULL` })
    .from(users)
    .leftJoin(devices, and(eq(devices.userId, users.id), eq(devices.deviceId, deviceId)))
    .where(sql`lower(${users.email}) = lower(${email})`);
  return found;
}

/** Every device that the account was ever signed in on, the first one first. */
export async function listDevices(db: Queryable, userId: string): Promise<Device[]> {
  return db
    .select({
      deviceId: devices.deviceId,
      deviceName: devices.deviceName,
      platform: devices.platform,
      osVersion: devices.osVersion,
      appVersion: devices.appVersion,
      lastSyncAt: isoInstant(sql`coalesce(${devices.lastSyncAt}, ${devices.registeredAt})`),
      registeredAt: isoInstant(devices.registeredAt),
      isActive: sql<boolean>`EXISTS (
        SELECT FROM refresh_tokens t
        WHERE t.user_id = devices.user_id AND t.device_id = devices.device_id AND t.session_id = devices.session_id
          AND t.revoked_at IS NULL AND t.expires_at > now())`,
    })
    .from(devices)
    .where(eq(devices.userId, userId))
    .orderBy(devices.registeredAt, devices.deviceId);
}

/** When the account last synced, from any device; null before the first time. */
export async function readLastSync(db: Queryable, userId: string): Promise<string | null> {
  const [row] = await db
    .select({ at: isoInstant(sql`max(${devices.lastSyncAt})`) as SQL<string | null> })
    .from(devices)
    .where(eq(devices.userId, userId));
  return row?.at ?? null;
}
