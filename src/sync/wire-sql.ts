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

/** SQL of the JSON text of one column; null when the column is. */
function columnSql(column: Column): string {
  const name = `t."${column.name}"`;
  const type = column.getSQLType();
  if (type.startsWith("timestamp")) return `'"' || ${instantSql(name)} || '"'`;
  if (type === "text") return `to_json(${name})::text`;
  if (type === "date") return `'"' || ${name}::text || '"'`;
  return `${name}::text`;
}

function firstColumn(tree: FieldTree): Column | null {
  return (Object.values(tree).find((node) => node instanceof Column) as Column | undefined) ?? null;
}

function nodeSql(node: FieldTree[string]): string {
  if (node instanceof Column) return orNull(columnSql(node));
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
  `',"localVersion":', coalesce(t.local_version::text, 'null')`,
  `',"serverVersion":', t.server_version`,
  `',"lastModified":"', ${instantSql("coalesce(t.last_modified, t.updated_at)")}, '"'`,
  `',"deviceId":', coalesce('"' || t.device_id::text || '"', 'null')`,
].join(", ");

/** SQL of a whole entity as phones are given it. Ids need no escaping: they are of a few plain characters. */
export function entitySql({ fields, internal = [] }: Pick<Entity, "fields" | "internal">): string {
  const shown = Object.fromEntries(Object.entries(fields).filter(([key]) => !internal.includes(key)));
  return `concat('{"id":"', t.id, '",', ${membersSql(shown)}, ${commonMembers}, '}')`;
}

/** SQL of an envelope as phones in encrypted mode are given it. */
export const envelopeSql = `concat('{"id":"', t.id, '","encryptedData":"', t.encrypted_data, '","encryptionVersion":', t.encryption_version, ${commonMembers}, '}')`;
