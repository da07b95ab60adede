import { type SQL, sql } from "drizzle-orm";
import { executeRaw, type Transaction } from "../database/client.ts";

/** Something to sort by, in the words of SQL, and its type there. */
export interface SortKey {
  readonly sql: string;
  readonly type: string;
}

/** Rows of one statement, under the alias `t`, and the JSON that each becomes. */
export interface Source {
  /** SQL of a row as JSON text without line breaks. */
  readonly json: string;
  /** From `FROM` on, with a `WHERE`, to which more is added. */
  readonly rows: SQL;
  /** What rows are sorted by, together unique: a page goes on behind the last one's. */
  readonly key: readonly SortKey[];
}

/** Some rows. */
export interface Page {
  /** In UTF-8, joined by a comma and a line break. */
  readonly text: Uint8Array;
  readonly count: number;
}

/** Bytes that a page should stay near, and rows that it has at most. */
const pageBytes = 500_000;
const mostRows = 2_000;

/** Learns from the pages that came how many rows the next one may have: a note may be as long as a thousand points. */
export class PageSize {
  rows = 20;

  note({ text, count }: Page): void {
    const fitting = Math.floor(pageBytes / (text.byteLength / count));
    // No faster than this, since the first ones may be small by chance.
    this.rows = Math.max(5, Math.min(fitting, 8 * this.rows, mostRows));
  }
}

const decoder = new TextDecoder();
const decode = (value: Uint8Array | null | undefined) => (value ? decoder.decode(value) : "");

/** Rows behind those that came before. */
function behind(key: readonly SortKey[], last: readonly string[] | null): SQL {
  if (!last) return sql``;
  const values = key.map(({ type }, index) => sql`${last[index]}::text::${sql.raw(type)}`);
  const columns = key.map((part) => part.sql).join(", ");
  return sql`AND (${sql.raw(columns)}) > (${sql.join(values, sql`, `)})`;
}

async function readPage(
  tx: Transaction,
  { json, rows, key }: Source,
  last: readonly string[] | null,
  limit: number,
): Promise<Page & { readonly last: readonly string[] }> {
  const order = sql.raw(key.map((part) => part.sql).join(", "));
  const parts = sql.raw(key.map((part, index) => `(${part.sql})::text AS k${index}`).join(", "));
  const ends = sql.raw(key.map((_, index) => `(array_agg(k${index}))[count(*)::int]`).join(", "));
  const [[text, count, ...ended] = []] = await executeRaw(
    tx,
    sql`SELECT string_agg(json, E',\n'), count(*), ${ends}
      FROM (SELECT ${sql.raw(json)} AS json, ${parts} ${rows} ${behind(key, last)} ORDER BY ${order} LIMIT ${limit}) page`,
  );
  return { text: text ?? new Uint8Array(), count: Number(decode(count)), last: ended.map(decode) };
}

/** Reads rows in order, a page at a time, and no page before it is asked for. An empty one is not handed out. */
export async function* readPages(
  tx: Transaction,
  source: Source,
  size: PageSize = new PageSize(),
): AsyncGenerator<Page> {
  let last: readonly string[] | null = null;
  for (;;) {
    const limit = size.rows;
    const page: Page & { last: readonly string[] } = await readPage(tx, source, last, limit);
    if (page.count === 0) return;
    size.note(page);
    yield page;
    if (page.count < limit) return;
    last = page.last;
  }
}
