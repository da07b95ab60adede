import { sql } from "drizzle-orm";
import type { Database } from "../database/client.ts";
import { type ConflictRecord, type ConflictRow, conflictColumns, toRecord } from "./conflicts.ts";
import type { Registry } from "./entity.ts";
import { snapshotMap } from "./snapshot-map.ts";
import { instantSql } from "./wire-sql.ts";

export interface ConflictQuery {
  readonly status: "open" | "resolved" | null;
  readonly limit: number;
  readonly offset: number;
}

type Listed = { createdAt: string; resolvedAt: string | null };

/** A conflict as the API shows it. */
export function conflictView(registry: Registry, record: ConflictRecord) {
  const entity = registry.find(({ kind }) => kind === record.kind);
  return {
    conflictId: record.id,
    entityType: entity?.type,
    entityId: record.entityId,
    conflictType: record.type,
    localVersion: snapshotMap(entity ?? {}, record.entityId, record.local),
    remoteVersion: snapshotMap(entity ?? {}, record.entityId, record.remote),
    suggestedResolution: record.suggestion,
    deviceId: record.deviceId,
    status: record.status,
    resolution: record.resolution,
  };
}

/** The conflicts of an account, newest first: the losing side of every one is kept here (I4). */
export async function listConflicts(
  db: Database,
  registry: Registry,
  userId: string,
  { status, limit, offset }: ConflictQuery,
) {
  const where = sql`c.user_id = ${userId} ${status ? sql`AND c.status = ${status}` : sql``}`;
  const [count] = await db.execute<{ total: number }>(
    sql`SELECT count(*) AS total FROM sync_conflicts c WHERE ${where}`,
  );
  const rows = await db.execute<ConflictRow & Listed>(sql`
    SELECT ${conflictColumns},
      ${sql.raw(instantSql("c.created_at"))} AS "createdAt", ${sql.raw(instantSql("c.resolved_at"))} AS "resolvedAt"
    FROM sync_conflicts c WHERE ${where} ORDER BY c.created_at DESC, c.id LIMIT ${limit} OFFSET ${offset}`);
  const conflicts = rows.map(({ createdAt, resolvedAt, ...row }) => ({
    ...conflictView(registry, toRecord(row)),
    createdAt,
    resolvedAt,
  }));
  const total = count?.total ?? 0;
  return { conflicts, pagination: { total, limit, offset, hasMore: offset + conflicts.length < total } };
}
