import { sql } from "drizzle-orm";
import type { Transaction } from "../database/client.ts";
import { copyOut } from "../database/copy.ts";
import type { Fingerprint } from "../storage/fingerprint.ts";
import { toStream } from "../storage/pieces.ts";
import type { TableEntry } from "./manifest.ts";
import type { BackedUpTable } from "./tables.ts";

/** A table as the database has it. */
interface Columns {
  readonly columns: readonly string[];
  /** What its rows are sorted by: the primary key. */
  readonly order: readonly string[];
}

const quoted = (name: string) => `"${name}"`;

/** Text is sorted by its bytes: what another collation makes of it differs from server to server. */
async function readColumns(tx: Transaction, table: string): Promise<Columns | null> {
  const rows = await tx.execute<{ name: string; isText: boolean; position: number | null }>(sql`
    SELECT a.attname AS name, a.atttypid = 'text'::regtype AS "isText",
      array_position(i.indkey::int2[], a.attnum) AS position
    FROM pg_attribute a LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary
    WHERE a.attrelid = to_regclass(${table}) AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
    ORDER BY a.attnum`);
  if (rows.length === 0) return null;
  const key = rows.filter(({ position }) => position !== null);
  key.sort((one, other) => Number(one.position) - Number(other.position));
  return {
    columns: rows.map(({ name }) => name),
    order: key.map(({ name, isText }) => (isText ? `${quoted(name)} COLLATE "C"` : quoted(name))),
  };
}

/** How values are written, whatever the server or the role prefer; and no limit of time. */
export async function useCopyFormat(tx: Transaction): Promise<void> {
  const settings = {
    DateStyle: "ISO, YMD",
    IntervalStyle: "postgres",
    TimeZone: "UTC",
    bytea_output: "hex",
    extra_float_digits: "1",
    statement_timeout: "0",
    idle_in_transaction_session_timeout: "0",
  };
  for (const [name, value] of Object.entries(settings))
    await tx.execute(sql`SELECT set_config(${name}, ${value}, true)`);
}

/** What has passed through a stream of rows. */
export class RowsSeen {
  rows = 0;
  #size = 0;
  readonly #hasher = new Bun.CryptoHasher("sha256");

  async *watch(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const piece of pieces) {
      this.#hasher.update(piece);
      this.#size += piece.byteLength;
      // COPY writes line breaks within values as `\n`: each that is one ends a row.
      for (let at = piece.indexOf(10); at >= 0; at = piece.indexOf(10, at + 1)) this.rows++;
      yield piece;
    }
  }

  /** Of all that has passed; to be asked once. */
  fingerprint(): Fingerprint {
    return { size: this.#size, sha256: this.#hasher.digest("hex") };
  }
}

/** The types of the two ends differ in what may lie behind a piece; they fit all the same. */
type Through = ReadableWritablePair<Uint8Array, Uint8Array>;

const throughZstd = (rows: ReadableStream<Uint8Array>) =>
  rows.pipeThrough(new CompressionStream("zstd") as unknown as Through);

/** The statement that gives a table's rows, sorted. */
function copyStatement({ name, only }: BackedUpTable, { columns, order }: Columns): string {
  const where = only ? ` WHERE ${only}` : "";
  return `COPY (SELECT ${columns.map(quoted).join(", ")} FROM ${name} t${where} ORDER BY ${order.join(", ")}) TO STDOUT`;
}

/**
 * Hands a table's rows to a writer, in the text format of COPY, compressed.
 * @param write stores the stream; what it returns is what was stored
 * @returns null when the schema, an older one, has no such table
 */
export async function dumpTable(
  tx: Transaction,
  table: BackedUpTable,
  write: (compressed: ReadableStream<Uint8Array>) => Promise<Fingerprint>,
): Promise<TableEntry | null> {
  const found = await readColumns(tx, table.name);
  if (!found) return null;
  const seen = new RowsSeen();
  const rows = toStream(seen.watch(copyOut(tx, copyStatement(table, found))));
  const file = await write(throughZstd(rows));
  return {
    name: table.name,
    columns: [...found.columns],
    rows: seen.rows,
    content: seen.fingerprint(),
    file,
  };
}

/** Reads a table's rows, sorted as in a backup. @returns how many there are, and what they are */
export async function fingerprintTable(
  tx: Transaction,
  table: BackedUpTable,
): Promise<{ rows: number; content: Fingerprint } | null> {
  const found = await readColumns(tx, table.name);
  if (!found) return null;
  const seen = new RowsSeen();
  for await (const _piece of seen.watch(copyOut(tx, copyStatement(table, found)))) {
    // Only what it adds up to counts.
  }
  return { rows: seen.rows, content: seen.fingerprint() };
}
