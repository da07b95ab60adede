import { sql } from "drizzle-orm";
import type { Queryable, Transaction } from "../database/client.ts";
import type { Change } from "./change.ts";
import type { ConflictFound, OpenConflict, Resolution, Stored } from "./decide.ts";
import type { Content, Kind } from "./entity.ts";
import { instantSql } from "./wire-sql.ts";

/** What names an entity within its account. */
export const keyOf = ({ kind, id }: { kind: Kind; id: string }) => `${kind}:${id}`;

/** One side of a conflict as it is kept. `content` is null for a deletion, or when its clear text had to go. */
export interface Side {
  readonly content: Content | null;
  readonly deleted: boolean;
  readonly encrypted: boolean;
  /** The server version that the side is based on; null when it knew none. */
  readonly version: number | null;
  readonly localVersion: number | null;
  readonly lastModified: string | null;
}

/** A conflict as it is kept; columns are told in the first migration. */
export interface ConflictRecord extends OpenConflict {
  readonly id: string;
  readonly deviceId: string;
  readonly kind: Kind;
  readonly entityId: string;
  readonly type: ConflictFound["type"];
  readonly suggestion: Resolution;
  readonly local: Side;
  readonly remote: Side;
  readonly status: "open" | "resolved";
  readonly resolution: Resolution | null;
  readonly owed: boolean;
  readonly owedVersion: number | null;
}

/** Columns of a `ConflictRow`, from `sync_conflicts c`. */
export const conflictColumns =
  sql.raw(`c.id, c.device_id AS "deviceId", c.kind, c.entity_id AS "entityId", c.conflict_type AS type,
  c.suggestion, c.local_side::text AS local, c.remote_side::text AS remote, c.remote_version AS "remoteVersion",
  c.reported_version AS "reportedVersion", c.status, c.resolution, c.owed, c.owed_version AS "owedVersion"`);

/** A conflict as the database hands it out: its sides are JSON text. */
export type ConflictRow = Omit<ConflictRecord, "local" | "remote" | "localVersion"> & {
  local: string;
  remote: string;
};

/** A row with its two sides read from their JSON. */
export function toRecord<R extends ConflictRow>({ local, remote, ...rest }: R) {
  const side = JSON.parse(local) as Side;
  return { ...rest, local: side, remote: JSON.parse(remote) as Side, localVersion: side.localVersion };
}

/** Conflicts of a device that it is still to settle, or whose other side it is still owed. */
export async function readPending(
  tx: Queryable,
  userId: string,
  deviceId: string,
): Promise<ConflictRecord[]> {
  const rows = await tx.execute<ConflictRow>(sql`
    SELECT ${conflictColumns} FROM sync_conflicts c
    WHERE c.user_id = ${userId} AND c.device_id = ${deviceId} AND (c.status = 'open' OR c.owed)`);
  return rows.map(toRecord);
}

/** One conflict of the account, locked; null when there is none. */
export async function lockConflict(tx: Transaction, userId: string, id: string) {
  const [row] = await tx.execute<ConflictRow & { detail: string | null; resolvedAt: string | null }>(sql`
    SELECT ${conflictColumns}, c.resolution_detail::text AS detail, ${sql.raw(instantSql("c.resolved_at"))} AS "resolvedAt"
    FROM sync_conflicts c WHERE c.user_id = ${userId} AND c.id = ${id} FOR UPDATE`);
  return row ? toRecord(row) : null;
}

/** The side that a change stands for. */
export function localSide(change: Change): Side {
  const { content, deleted, encrypted, base, localVersion, lastModified } = change;
  return { content, deleted, encrypted, version: base, localVersion, lastModified };
}

/** The side that the server has. */
export function remoteSide(stored: Stored): Side {
  const { content, deleted, encrypted, serverVersion, localVersion, lastModified } = stored;
  return {
    content: deleted ? null : content,
    deleted,
    encrypted,
    version: serverVersion,
    localVersion,
    lastModified,
  };
}

/** A conflict to be kept: a new one, or one that the same device has met again. */
export interface ConflictToKeep {
  readonly found: ConflictFound;
  readonly change: Change;
  readonly stored: Stored;
  /** The open record of the same device about the same entity. */
  readonly known: ConflictRecord | undefined;
}

/** Settled records of the same meeting: same device, entity, remote version and local side. */
async function findSettledBefore(
  tx: Transaction,
  userId: string,
  deviceId: string,
  kept: readonly ConflictToKeep[],
) {
  const asked = kept.filter(({ found, known }) => found.settled !== null && !known);
  if (asked.length === 0) return new Map<string, string>();
  const list = asked.map(({ change, stored }) => ({
    kind: change.kind,
    id: change.id,
    version: stored.version,
    side: localSide(change),
  }));
  const rows = await tx.execute<{ kind: string; entityId: string; id: string }>(sql`
    SELECT c.kind, c.entity_id AS "entityId", c.id
    FROM jsonb_to_recordset(${JSON.stringify(list)}::text::jsonb) AS x (kind text, id text, version bigint, side jsonb)
    JOIN sync_conflicts c ON c.user_id = ${userId} AND c.device_id = ${deviceId} AND c.kind = x.kind
      AND c.entity_id = x.id AND c.remote_version = x.version AND c.local_side = x.side AND c.status = 'resolved'`);
  return new Map(rows.map(({ kind, entityId, id }) => [`${kind}:${entityId}`, id]));
}

/** The losing side; where an envelope took the place of clear text, that text is gone for good. */
function keptRemote({ found, change, stored }: ConflictToKeep): Side {
  const sealed = found.settled === "KEEP_LOCAL" && change.encrypted && !stored.encrypted;
  return sealed ? { ...remoteSide(stored), content: null } : remoteSide(stored);
}

function toRow(conflict: ConflictToKeep, id: string) {
  const { found, change, stored, known } = conflict;
  // A remote side that moved is a new thing to be told of; one that stands was told of before.
  const reported = known?.remoteVersion === stored.version ? known.reportedVersion : null;
  return {
    id,
    kind: change.kind,
    entity_id: change.id,
    conflict_type: found.type,
    suggestion: found.suggestion,
    local_side: localSide(change),
    remote_side: keptRemote(conflict),
    remote_version: stored.version,
    reported_version: reported,
    status: found.settled ? "resolved" : "open",
    resolution: found.settled,
  };
}

/**
 * Keeps both sides of each conflict.
 * @returns the conflicts' ids, in the order given: the known one's where the same device meets it again.
 */
export async function keepConflicts(
  tx: Transaction,
  { userId, deviceId }: { userId: string; deviceId: string },
  kept: readonly ConflictToKeep[],
): Promise<string[]> {
  if (kept.length === 0) return [];
  const before = await findSettledBefore(tx, userId, deviceId, kept);
  const rows = kept.map((conflict) => {
    const { kind, id } = conflict.change;
    return toRow(conflict, conflict.known?.id ?? before.get(`${kind}:${id}`) ?? crypto.randomUUID());
  });
  await tx.execute(sql`
    INSERT INTO sync_conflicts AS c (user_id, device_id, id, kind, entity_id, conflict_type, suggestion, local_side,
      remote_side, remote_version, reported_version, status, resolution, resolved_at)
    SELECT ${userId}::uuid, ${deviceId}::uuid, x.*, CASE WHEN x.status = 'resolved' THEN now() END
    FROM jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb) AS x (id uuid, kind text, entity_id text,
      conflict_type text, suggestion text, local_side jsonb, remote_side jsonb, remote_version bigint,
      reported_version bigint, status text, resolution text)
    ON CONFLICT (user_id, id) DO UPDATE SET conflict_type = EXCLUDED.conflict_type, suggestion = EXCLUDED.suggestion,
      local_side = EXCLUDED.local_side, remote_side = EXCLUDED.remote_side, remote_version = EXCLUDED.remote_version,
      reported_version = EXCLUDED.reported_version, status = EXCLUDED.status, resolution = EXCLUDED.resolution,
      resolved_at = EXCLUDED.resolved_at, owed = false, owed_version = NULL, updated_at = now()`);
  return rows.map(({ id }) => id);
}

/** Settles conflicts; what was owed of them is owed no more. */
export async function settle(
  tx: Transaction,
  userId: string,
  ids: readonly string[],
  resolution: Resolution,
): Promise<void> {
  if (ids.length === 0) return;
  await tx.execute(sql`
    UPDATE sync_conflicts SET owed = false, owed_version = NULL, updated_at = now(), status = 'resolved',
      resolution = coalesce(resolution, ${resolution}), resolved_at = coalesce(resolved_at, now())
    WHERE user_id = ${userId} AND id = ANY(${`{${ids.join(",")}}`}::uuid[])`);
}

/** Notes that a device let go of its side of some conflicts: it is owed the other. */
export async function owe(tx: Transaction, userId: string, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await tx.execute(sql`
    UPDATE sync_conflicts SET owed = true, owed_version = NULL, updated_at = now()
    WHERE user_id = ${userId} AND id = ANY(${`{${ids.join(",")}}`}::uuid[])`);
}

/**
 * Notes which cursors will show that a device has read of its open conflicts (`told`), and that it was handed what it is
 * owed (`handedOver`).
 */
export async function noteAnswered(
  tx: Transaction,
  { userId, deviceId }: { userId: string; deviceId: string },
  { told, handedOver }: { told: number; handedOver: number },
): Promise<void> {
  await tx.execute(sql`
    UPDATE sync_conflicts SET
      reported_version = coalesce(reported_version, ${told}),
      owed_version = CASE WHEN owed THEN coalesce(owed_version, ${handedOver}) END
    WHERE user_id = ${userId} AND device_id = ${deviceId}
      AND ((status = 'open' AND reported_version IS NULL) OR (owed AND owed_version IS NULL))`);
}
