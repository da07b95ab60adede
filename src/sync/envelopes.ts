import { getTableName, sql } from "drizzle-orm";
import type { Transaction } from "../database/client.ts";
import { arrayLiteral } from "./array-literal.ts";
import type { Stored } from "./decide.ts";
import type { Entity, Kind } from "./entity.ts";
import { type NewRow, storedColumns } from "./rows.ts";

interface EnvelopeRecord extends Record<string, unknown> {
  id: string;
  encryptedData: string | null;
  encryptionVersion: number | null;
}

/** What the account has of some entities of a kind in encrypted form, by id. */
export async function readStoredEnvelopes(
  tx: Transaction,
  kind: Kind,
  userId: string,
  ids: readonly string[],
): Promise<Map<string, Stored>> {
  if (ids.length === 0) return new Map();
  const records = await tx.execute<EnvelopeRecord & Omit<Stored, "content" | "links" | "encrypted">>(sql`
    SELECT ${sql.raw(storedColumns)}, t.encrypted_data AS "encryptedData", t.encryption_version AS "encryptionVersion"
    FROM encrypted_sync_data t
    WHERE t.user_id = ${userId} AND t.kind = ${kind} AND t.id = ANY(${arrayLiteral(ids)}::text[])`);
  return new Map(
    records.map(({ id, encryptedData, encryptionVersion, ...rest }) => [
      id,
      { ...rest, encrypted: true, content: { encryptedData, encryptionVersion }, links: [] },
    ]),
  );
}

/** Writes envelopes of one kind in one statement. The caller holds the counter's lock. */
export async function writeEnvelopes(
  tx: Transaction,
  kind: Kind,
  { userId, deviceId }: { userId: string; deviceId: string },
  rows: readonly NewRow[],
): Promise<void> {
  if (rows.length === 0) return;
  const column = (value: (row: NewRow) => string | number | null) => arrayLiteral(rows.map(value));
  await tx.execute(sql`
    INSERT INTO encrypted_sync_data AS t (user_id, device_id, kind, id, server_version, edited_version, local_version,
      last_modified, encrypted_data, encryption_version, deleted_at)
    SELECT ${userId}::uuid, ${deviceId}::uuid, ${kind}, x.id, x.version, x.version, x.local_version, x.last_modified,
      x.data, x.data_version, CASE WHEN x.data IS NULL THEN now() END
    FROM unnest(${column((row) => row.id)}::text[], ${column((row) => row.version)}::bigint[],
      ${column((row) => row.localVersion)}::bigint[], ${column((row) => row.lastModified)}::timestamptz[],
      ${column((row) => (row.content?.encryptedData as string) ?? null)}::text[],
      ${column((row) => (row.content?.encryptionVersion as number) ?? null)}::integer[])
      AS x (id, version, local_version, last_modified, data, data_version)
    ON CONFLICT (user_id, kind, id) DO UPDATE SET device_id = EXCLUDED.device_id, server_version = EXCLUDED.server_version,
      edited_version = EXCLUDED.edited_version, local_version = EXCLUDED.local_version,
      last_modified = EXCLUDED.last_modified, encrypted_data = EXCLUDED.encrypted_data,
      encryption_version = EXCLUDED.encryption_version, deleted_at = EXCLUDED.deleted_at, updated_at = now()`);
}

/**
 * Takes away the clear form of entities that now stand as envelopes: their rows, and what conflicts remember of
 * their clear text. Nothing readable of them is left.
 */
export async function eraseClearForm(
  tx: Transaction,
  entity: Entity,
  userId: string,
  ids: readonly string[],
): Promise<void> {
  if (ids.length === 0) return;
  const list = sql`${arrayLiteral(ids)}::text[]`;
  const table = sql.raw(`"${getTableName(entity.table)}"`);
  await tx.execute(sql`DELETE FROM ${table} WHERE user_id = ${userId} AND id = ANY(${list})`);
  await tx.execute(sql`
    UPDATE sync_conflicts SET
      local_side = CASE WHEN (local_side ->> 'encrypted')::boolean THEN local_side ELSE local_side || '{"content": null}' END,
      remote_side = CASE WHEN (remote_side ->> 'encrypted')::boolean THEN remote_side ELSE remote_side || '{"content": null}' END
    WHERE user_id = ${userId} AND kind = ${entity.kind} AND entity_id = ANY(${list})`);
}

/** Takes away the envelopes of entities that now stand in clear. */
export async function eraseEnvelopes(
  tx: Transaction,
  kind: Kind,
  userId: string,
  ids: readonly string[],
): Promise<void> {
  if (ids.length === 0) return;
  await tx.execute(sql`
    DELETE FROM encrypted_sync_data
    WHERE user_id = ${userId} AND kind = ${kind} AND id = ANY(${arrayLiteral(ids)}::text[])`);
}
