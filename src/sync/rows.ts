import { Column, getTableName, type SQL, sql } from "drizzle-orm";
import type { Queryable, Transaction } from "../database/client.ts";
import { type ArrayItem, arrayLiteral } from "./array-literal.ts";
import type { Stored } from "./decide.ts";
import type { Content, Entity, FieldTree, StandingLink } from "./entity.ts";
import { contentSql, entitySql, instantSql } from "./wire-sql.ts";

/** A row as it shall be; content null is a tombstone. */
export interface NewRow {
  readonly id: string;
  readonly version: number;
  readonly localVersion: number | null;
  readonly lastModified: string | null;
  readonly content: Content | null;
  /** Nothing of it is there: known from what was read under the counter's lock. */
  readonly isNew: boolean;
}

/** A column, and where in a content its value stands. */
export interface Leaf {
  readonly path: readonly string[];
  readonly column: Column;
}

/** The columns that a content fills. */
export function leavesOf(tree: FieldTree, path: readonly string[] = []): Leaf[] {
  return Object.entries(tree).flatMap(([key, node]) => {
    if (node instanceof Column) return [{ path: [...path, key], column: node }];
    return "sql" in node && typeof node.sql === "string" ? [] : leavesOf(node as FieldTree, [...path, key]);
  });
}

/** The value of a leaf; null where the content has none. */
export function valueAt(content: Content | null, path: readonly string[]): ArrayItem {
  let at: unknown = content;
  for (const key of path) at = (at as Content | null | undefined)?.[key];
  return (at ?? null) as ArrayItem;
}

interface Slot {
  readonly name: string;
  readonly type: string;
  readonly values: (rows: readonly NewRow[]) => ArrayItem[];
}

/** The columns of an insert, with how each gets its values. */
function slotsOf(entity: Entity): Slot[] {
  return [
    { name: "id", type: "text", values: (rows) => rows.map((row) => row.id) },
    { name: "server_version", type: "bigint", values: (rows) => rows.map((row) => row.version) },
    { name: "edited_version", type: "bigint", values: (rows) => rows.map((row) => row.version) },
    { name: "local_version", type: "bigint", values: (rows) => rows.map((row) => row.localVersion) },
    { name: "last_modified", type: "timestamptz", values: (rows) => rows.map((row) => row.lastModified) },
    ...leavesOf(entity.fields).map(({ path, column }) => ({
      name: column.name,
      type: column.getSQLType(),
      values: (rows: readonly NewRow[]) => rows.map((row) => valueAt(row.content, path)),
    })),
  ];
}

/** On update a tombstone keeps nothing but what says which rows it linked; everything else becomes null. */
function assignment({ name }: Slot, kept: readonly string[]): string {
  return kept.includes(name)
    ? `"${name}" = coalesce(EXCLUDED."${name}", t."${name}")`
    : `"${name}" = EXCLUDED."${name}"`;
}

const names = (slots: readonly Slot[]) => slots.map(({ name }) => `"${name}"`).join(", ");

/** What an insert does where a row is already there. */
function orUpdateSql(entity: Entity, slots: readonly Slot[]): string {
  const kept = entity.keptOnDeletion ?? [];
  return `ON CONFLICT (user_id, id) DO UPDATE SET device_id = EXCLUDED.device_id, deleted_at = EXCLUDED.deleted_at,
    updated_at = now(), ${slots.map((slot) => assignment(slot, kept)).join(", ")}`;
}

async function insertRows(
  tx: Transaction,
  entity: Entity,
  { userId, deviceId }: { userId: string; deviceId: string },
  rows: readonly NewRow[],
  orElse: (slots: readonly Slot[]) => string,
): Promise<void> {
  if (rows.length === 0) return;
  const slots = slotsOf(entity);
  const array = (values: ArrayItem[], type: string): SQL =>
    sql`unnest(${arrayLiteral(values)}::${sql.raw(type)}[])`;
  // No time after now, or, for what is not deleted, no time at all.
  const deletedAgo = array(
    rows.map((row) => (row.content === null ? 0 : null)),
    "interval",
  );
  const columns = slots.map(({ values, type }) => array(values(rows), type));
  await tx.execute(sql`
    INSERT INTO ${sql.raw(`"${getTableName(entity.table)}"`)} AS t (user_id, device_id, deleted_at, ${sql.raw(names(slots))})
    SELECT ${userId}::uuid, ${deviceId}::uuid, now() + ${deletedAgo}, ${sql.join(columns, sql`, `)}
    ${sql.raw(orElse(slots))}`);
}

/**
 * Writes rows of one kind, set-wise: new ones, and over what is there. The two apart, since looking for what an insert
 * may collide with costs a fifth of it, and most of what phones send is new. The caller holds the counter's lock.
 */
export async function writeRows(
  tx: Transaction,
  entity: Entity,
  writer: { userId: string; deviceId: string },
  rows: readonly NewRow[],
): Promise<void> {
  const fresh = rows.filter(({ isNew }) => isNew);
  const known = rows.filter(({ isNew }) => !isNew);
  // What is deleted first: a new point may stand where a deleted one stood.
  await insertRows(tx, entity, writer, known, (slots) => orUpdateSql(entity, slots));
  await insertRows(tx, entity, writer, fresh, () => "");
}

interface StoredRecord extends Record<string, unknown> {
  id: string;
  content: string;
  links: string | null;
}

/** Columns of a stored row that every kind, envelopes included, is decided by. */
export const storedColumns = `t.id, t.edited_version AS version, t.server_version AS "serverVersion", t.device_id AS "deviceId",
  t.local_version AS "localVersion", ${instantSql("coalesce(t.last_modified, t.updated_at)")} AS "lastModified", t.deleted_at IS NOT NULL AS deleted`;

/**
 * SQL of some rows of a kind, by id, under the alias `t`. Each is looked up by its key: left to choose, Postgres reads
 * the whole account where it believes it to be small, as it does of one that has grown since statistics were made.
 */
function rowsById(entity: Entity, userId: string, ids: readonly string[]): SQL {
  return sql`(SELECT ${userId}::uuid AS user_id, unnest(${arrayLiteral(ids)}::text[]) AS id) x CROSS JOIN LATERAL
    (SELECT * FROM ${sql.raw(`"${getTableName(entity.table)}"`)} r WHERE r.user_id = x.user_id AND r.id = x.id LIMIT 1) t`;
}

/** What the account has of some entities of a kind, by id. */
export async function readStored(
  tx: Queryable,
  entity: Entity,
  userId: string,
  ids: readonly string[],
): Promise<Map<string, Stored>> {
  if (ids.length === 0) return new Map();
  const links = entity.linksSql ? `(${entity.linksSql})` : "NULL";
  const records = await tx.execute<StoredRecord & Omit<Stored, "content" | "links">>(sql`
    SELECT ${sql.raw(storedColumns)}, ${sql.raw(contentSql(entity))} AS content, ${sql.raw(links)} AS links
    FROM ${rowsById(entity, userId, ids)}`);
  return new Map(
    records.map(({ id, content, links, ...rest }) => [
      id,
      {
        ...rest,
        encrypted: false,
        content: JSON.parse(content),
        links: links === null ? [] : (JSON.parse(links) as StandingLink[]),
      },
    ]),
  );
}

/** Some entities of a kind as answers show them, by id. */
export async function readShown(
  tx: Queryable,
  entity: Entity,
  userId: string,
  ids: readonly string[],
): Promise<Map<string, Content>> {
  if (ids.length === 0) return new Map();
  const rows = await tx.execute<{ id: string; json: string }>(sql`
    SELECT t.id, ${sql.raw(entitySql(entity))} AS json FROM ${rowsById(entity, userId, ids)} WHERE t.deleted_at IS NULL`);
  const present = entity.present ?? ((content: Content) => content);
  return new Map(rows.map(({ id, json }) => [id, present(JSON.parse(json) as Content)]));
}
