import type { Readable, Writable } from "node:stream";
import { finished, pipeline } from "node:stream/promises";
import { Garbage } from "../garbage.ts";
import { driverOf, type Transaction } from "./client.ts";

/** Bytes that are handed over at once: the driver brings a table row by row. */
const pieceSize = 256 * 1024;

/** Bytes of rows after which what they came in is collected: each row is an object larger than itself. */
const collectedEvery = 16 * 1024 * 1024;

/**
 * The answer of a `COPY … TO STDOUT`, as fast as it is taken. Whoever stops early leaves the transaction usable: the
 * rest is read away.
 */
export async function* copyOut(tx: Transaction, statement: string): AsyncGenerator<Uint8Array> {
  const rows: Readable = await driverOf(tx).unsafe(statement).readable();
  try {
    yield* inPieces(rows.iterator({ destroyOnReturn: false }));
  } finally {
    rows.resume();
    await finished(rows);
  }
}

async function* inPieces(rows: AsyncIterable<Buffer>): AsyncGenerator<Uint8Array> {
  let piece = Buffer.allocUnsafe(pieceSize);
  let filled = 0;
  const garbage = new Garbage(collectedEvery);
  for await (const row of rows) {
    garbage.note(row.length);
    if (filled + row.length > pieceSize && filled > 0) {
      yield piece.subarray(0, filled);
      piece = Buffer.allocUnsafe(Math.max(pieceSize, row.length));
      filled = 0;
    }
    if (row.length > piece.length) piece = Buffer.allocUnsafe(row.length);
    filled += row.copy(piece, filled);
  }
  if (filled > 0) yield piece.subarray(0, filled);
}

/**
 * Sends rows to a `COPY … FROM STDIN`. After an error the transaction, and its connection, are of no more use.
 * @throws what the rows throw, or the database's own error
 */
export async function copyIn(
  tx: Transaction,
  statement: string,
  rows: AsyncIterable<Uint8Array>,
): Promise<void> {
  const target: Writable = await driverOf(tx).unsafe(statement).writable();
  await pipeline(rows, target);
}
