import { getTableName, sql } from "drizzle-orm";
import type { Database } from "../database/client.ts";
import type { Writer } from "./apply-changes.ts";
import { readCounter } from "./counter.ts";
import { readProgress } from "./device-progress.ts";
import { type Kind, kinds, type Registry } from "./entity.ts";
import { instantSql } from "./wire-sql.ts";

interface DeviceSyncInfo extends Record<string, unknown> {
  deviceId: string;
  deviceName: string;
  lastSyncAt: string;
  syncVersion: number;
}

async function readDevices(db: Database, userId: string): Promise<DeviceSyncInfo[]> {
  return db.execute<DeviceSyncInfo>(sql`
    SELECT device_id AS "deviceId", device_name AS "deviceName", sync_version AS "syncVersion",
      ${sql.raw(instantSql("coalesce(last_sync_at, registered_at)"))} AS "lastSyncAt"
    FROM devices WHERE user_id = ${userId} ORDER BY registered_at, device_id`);
}

/** Changes of each kind that others made and the device was not yet seen to have. */
async function countPending(db: Database, registry: Registry, { userId, deviceId }: Writer, after: number) {
  const counts = registry.map(
    ({
      kind,
      table,
    }) => sql`SELECT ${kind}::text AS kind, count(*) AS count FROM ${sql.raw(getTableName(table))}
      WHERE user_id = ${userId} AND server_version > ${after} AND device_id IS DISTINCT FROM ${deviceId}`,
  );
  counts.push(sql`SELECT kind, count(*) FROM encrypted_sync_data
    WHERE user_id = ${userId} AND server_version > ${after} AND device_id IS DISTINCT FROM ${deviceId} GROUP BY kind`);
  const rows = await db.execute<{ kind: Kind; count: number }>(sql.join(counts, sql` UNION ALL `));
  const sumOf = (kind: Kind) =>
    rows.filter((row) => row.kind === kind).reduce((sum, { count }) => sum + count, 0);
  return Object.fromEntries(kinds.map((kind) => [kind, sumOf(kind)]));
}

async function readLastSync(db: Database, userId: string): Promise<string> {
  const [row] = await db.execute<{ at: string }>(sql`
    SELECT ${sql.raw(instantSql("coalesce(max(d.last_sync_at), u.created_at)"))} AS at
    FROM users u LEFT JOIN devices d ON d.user_id = u.id WHERE u.id = ${userId} GROUP BY u.id`);
  return row?.at ?? new Date().toISOString();
}

/**
 * How far the account and its devices have come. `syncVersion` is the asking device's own safe cursor, since it
 * adopts that number (I5); the account's newest version is `latestVersion`.
 */
export async function readStatus(db: Database, registry: Registry, writer: Writer) {
  const counter = await readCounter(db, writer.userId);
  const { syncVersion } = await readProgress(db, writer);
  return {
    userId: writer.userId,
    lastSyncTimestamp: await readLastSync(db, writer.userId),
    syncVersion,
    latestVersion: counter.version,
    syncEpoch: counter.epoch,
    deviceSyncInfo: await readDevices(db, writer.userId),
    pendingChanges: await countPending(db, registry, writer, syncVersion),
  };
}
