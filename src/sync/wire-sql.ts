import { Column } from "drizzle-orm";
import type { Derived, Entity, FieldTree } from "./entity.ts";

/**
 * JSON text made by Postgres. A first sync reads a million rows, and building their JSON where they lie is
 * several times faster than decoding every column; so that there is one way, single entities are read so, too.
 */

/** An instant as the wire spells it. */
export const instantSql = (expression: string) =>
  `to_char(${expression} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

const orNull = (expression: string) => `coalesce(${expression}, 'null')`;
const isDerived = (node: FieldTree[string]): node is Derived => "sql" in node && typeof node.sql === "string";

/**
 * SQL of an instant without the closing `Z"`, for one that has whole milliseconds: a microsecond more makes Postgres
 * write the fraction in full, and it is cut off again. Costs two thirds of what to_char() does.
 */
const wholeInstantSql = (expression: string) =>
  `left(to_json(${expression} AT TIME ZONE 'UTC' + interval '1 us')::text, 24)`;

/**
 * Arguments of concat() that spell one column. It leaves nulls out, so a second argument stands for them: it writes
 * numbers without the detour through a text of their own that coalesce() would need.
 */
function columnSql(column: Column): string {
  const name = `t."${column.name}"`;
  const type = column.getSQLType();
  const ifNull = `CASE WHEN ${name} IS NULL THEN 'null'`;
  if (type.startsWith("timestamp")) return `${wholeInstantSql(name)}, ${ifNull} ELSE 'Z"' END`;
  if (type === "date") return orNull(`'"' || ${name}::text || '"'`);
  if (type === "text") return `to_json(${name}), ${ifNull} END`;
  // As text of its own a boolean is "true", else it would be "t".
  return `${type === "boolean" ? `${name}::text` : name}, ${ifNull} END`;
}

function firstColumn(tree: FieldTree): Column | null {
  return (Object.values(tree).find((node) => node instanceof Column) as Column | undefined) ?? null;
}

function nodeSql(node: FieldTree[string]): string {
  if (node instanceof Column) return columnSql(node);
  if (isDerived(node)) return orNull(node.sql);
  const first = firstColumn(node);
  const object = `concat('{', ${membersSql(node)}, '}')`;
  return first ? `CASE WHEN t."${first.name}" IS NULL THEN 'null' ELSE ${object} END` : object;
}

/** Comma-separated arguments of concat() that spell the members of an object. */
function membersSql(tree: FieldTree): string {
  return Object.entries(tree)
    .map(([key, node], index) => `'${index ? "," : ""}"${key}":', ${nodeSql(node)}`)
    .join(", ");
}

/** SQL of an entity's content as JSON text, from its table under the alias `t`; with what is internal. */
export function contentSql({ fields }: Pick<Entity, "fields">): string {
  return `concat('{', ${membersSql(fields)}, '}')`;
}

const commonMembers = [
  `',"localVersion":', t.local_version, CASE WHEN t.local_version IS NULL THEN 'null' END`,
  `',"serverVersion":', t.server_version`,
  `',"lastModified":', ${wholeInstantSql("coalesce(t.last_modified, date_trunc('milliseconds', t.updated_at))")}, 'Z"'`,
  `',"deviceId":', CASE WHEN t.device_id IS NULL THEN 'null' ELSE '"' END, t.device_id, CASE WHEN t.device_id IS NOT NULL THEN '"' END`,
].join(", ");

/** SQL of a whole entity as phones are given it. Ids need no escaping: they are of a few plain characters. */
export function entitySql({
  fields,
  internal = [],
  shown = {},
}: Pick<Entity, "fields" | "internal" | "shown">): string {
  const own = Object.entries(fields).filter(([key]) => !internal.includes(key));
  const members = membersSql({ ...Object.fromEntries(own), ...shown });
  return `concat('{"id":"', t.id, '",', ${members}, ${commonMembers}, '}')`;
}

/** SQL of an envelope as phones in encrypted mode are given it. */
export const envelopeSql = `concat('{"id":"', t.id, '","encryptedData":"', t.encrypted_data, '","encryptionVersion":', t.encryption_version, ${commonMembers}, '}')`;
