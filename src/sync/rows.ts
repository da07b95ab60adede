import { Column, getTableName, type SQL, sql } from "drizzle-orm";
import type { Queryable, Transaction } from "../database/client.ts";
import { type ArrayItem, arrayLiteral } from "./array-literal.ts";
import type { Stored } from "./decide.ts";
import type { Content, Entity, FieldTree, StandingLink } from "./entity.ts";
import { contentSql, instantSql } from "./wire-sql.ts";

/** A row as it shall be; content null is a tombstone. */
export interface NewRow {
  readonly id: string;
  readonly version: number;
  readonly localVersion: number | null;
  readonly lastModified: string | null;
  readonly content: Content | null;
}

interface Leaf {
  readonly path: readonly string[];
  readonly column: Column;
}

function leavesOf(tree: FieldTree, path: readonly string[] = []): Leaf[] {
  return Object.entries(tree).flatMap(([key, node]) => {
    if (node instanceof Column) return [{ path: [...path, key], column: node }];
    return "sql" in node && typeof node.sql === "string" ? [] : leavesOf(node as FieldTree, [...path, key]);
  });
}

function valueAt(content: Content | null, path: readonly string[]): ArrayItem {
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

function upsertSql(entity: Entity, slots: readonly Slot[]): { head: string; tail: string } {
  const names = slots.map(({ name }) => `"${name}"`).join(", ");
  const kept = entity.keptOnDeletion ?? [];
  return {
    head: `INSERT INTO "${getTableName(entity.table)}" AS t (user_id, device_id, deleted_at, ${names})
      SELECT account.id, account.device_id, CASE WHEN x.deleted THEN now() END, ${slots.map(({ name }) => `x."${name}"`).join(", ")}
      FROM `,
    tail: ` AS x (deleted, ${names}) ON CONFLICT (user_id, id) DO UPDATE SET device_id = EXCLUDED.device_id,
      deleted_at = EXCLUDED.deleted_at, updated_at = now(), ${slots.map((slot) => assignment(slot, kept)).join(", ")}`,
  };
}

/** Writes rows of one kind in one statement, as new ones or over what is there. The caller holds the counter's lock. */
export async function writeRows(
  tx: Transaction,
  entity: Entity,
  { userId, deviceId }: { userId: string; deviceId: string },
  rows: readonly NewRow[],
): Promise<void> {
  if (rows.length === 0) return;
  const slots = slotsOf(entity);
  const { head, tail } = upsertSql(entity, slots);
  const array = (values: ArrayItem[], type: string): SQL => sql`${arrayLiteral(values)}::${sql.raw(type)}[]`;
  const arrays = [
    array(
      rows.map((row) => row.content === null),
      "boolean",
    ),
    ...slots.map(({ values, type }) => array(values(rows), type)),
  ];
  await tx.execute(
    sql`${sql.raw(head)} (SELECT ${userId}::uuid AS id, ${deviceId}::uuid AS device_id) AS account, unnest(${sql.join(arrays, sql`, `)}) ${sql.raw(tail)}`,
  );
}

interface StoredRecord extends Record<string, unknown> {
  id: string;
  content: string;
  links: string | null;
}

/** Columns of a stored row that every kind, envelopes included, is decided by. */
export const storedColumns = `t.id, t.edited_version AS version, t.server_version AS "serverVersion", t.device_id AS "deviceId",
  t.local_version AS "localVersion", ${instantSql("coalesce(t.last_modified, t.updated_at)")} AS "lastModified", t.deleted_at IS NOT NULL AS deleted`;

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
    FROM ${sql.raw(`"${getTableName(entity.table)}"`)} t
    WHERE t.user_id = ${userId} AND t.id = ANY(${arrayLiteral(ids)}::text[])`);
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
