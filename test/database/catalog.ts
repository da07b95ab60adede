import type { Sql } from "postgres";

export interface Column {
  readonly table: string;
  readonly name: string;
  readonly type: string;
  readonly required: boolean;
  /** Type, NOT NULL, default and collation, as in a CREATE TABLE. */
  readonly definition: string;
}

export interface Named {
  readonly table: string;
  readonly name: string;
  readonly definition: string;
}

/** The schema of a database as its catalog has it. */
export interface Catalog {
  readonly columns: readonly Column[];
  readonly constraints: readonly Named[];
  readonly indexes: readonly Named[];
  readonly triggers: readonly Named[];
  readonly functions: readonly Named[];
}

/** Constraints that NOT NULL makes from Postgres 18 on are left out: the columns say so in every version. */
export async function readCatalog(sql: Sql): Promise<Catalog> {
  const read = async <T>(query: string) => (await sql.unsafe(query)).map((row) => ({ ...row }) as T);
  const tables = `pg_class t WHERE t.relnamespace = 'public'::regnamespace AND t.relkind = 'r'`;
  return {
    columns: await read<Column>(`
      SELECT t.relname AS "table", a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type,
        a.attnotnull AS required,
        concat_ws(' ', format_type(a.atttypid, a.atttypmod),
          CASE WHEN a.attcollation <> y.typcollation THEN 'COLLATE ' || quote_ident(c.collname) END,
          CASE WHEN a.attnotnull THEN 'NOT NULL' END, 'DEFAULT ' || pg_get_expr(d.adbin, d.adrelid)) AS definition
      FROM pg_attribute a JOIN pg_class t ON t.oid = a.attrelid JOIN pg_type y ON y.oid = a.atttypid
        LEFT JOIN pg_attrdef d ON d.adrelid = t.oid AND d.adnum = a.attnum
        LEFT JOIN pg_collation c ON c.oid = a.attcollation
      WHERE t.relnamespace = 'public'::regnamespace AND t.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
      ORDER BY t.relname, a.attnum`),
    constraints: await read<Named>(`
      SELECT t.relname AS "table", k.conname AS name, pg_get_constraintdef(k.oid) AS definition
      FROM pg_constraint k JOIN pg_class t ON t.oid = k.conrelid
      WHERE k.connamespace = 'public'::regnamespace AND k.contype IN ('p', 'u', 'f', 'c', 'x') ORDER BY 1, 2, 3`),
    indexes: await read<Named>(`
      SELECT tablename AS "table", indexname AS name, indexdef AS definition FROM pg_indexes
      WHERE schemaname = 'public' ORDER BY 1, 2`),
    triggers: await read<Named>(`
      SELECT t.relname AS "table", g.tgname AS name, pg_get_triggerdef(g.oid) AS definition
      FROM pg_trigger g JOIN (SELECT * FROM ${tables}) t ON t.oid = g.tgrelid WHERE NOT g.tgisinternal ORDER BY 1, 2`),
    functions: await read<Named>(`
      SELECT '' AS "table", p.proname AS name, pg_get_functiondef(p.oid) AS definition
      FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace ORDER BY 2`),
  };
}

/** The whole of it as text, in an order that depends on names alone. */
export function printCatalog({ columns, constraints, indexes, triggers, functions }: Catalog): string {
  const tables = [...new Set(columns.map(({ table }) => table))].sort();
  const of = <T extends { table: string }>(list: readonly T[], table: string) =>
    list.filter((one) => one.table === table);
  const printed = tables.map((table) => {
    const inside = [
      ...of(columns, table).map(({ name, definition }) => `  ${name} ${definition}`),
      ...of(constraints, table).map(({ name, definition }) => `  CONSTRAINT ${name} ${definition}`),
    ];
    const after = [...of(indexes, table), ...of(triggers, table)].map(({ definition }) => `${definition};`);
    return [`CREATE TABLE ${table} (`, inside.join(",\n"), ");", ...after].join("\n");
  });
  return `${[...printed, ...functions.map(({ definition }) => `${definition.trim()};`)].join("\n\n")}\n`;
}
