import { sql } from "drizzle-orm";
import type { Database, Transaction } from "./client.ts";

/**
 * Reads, and has Postgres itself break off a statement that takes longer: whoever asks again and again must not leave
 * behind what is slow or waits for a lock, until it holds every connection.
 * @throws when it takes longer
 */
export async function readWithin<T>(
  db: Database,
  milliseconds: number,
  read: (tx: Transaction) => Promise<T>,
): Promise<T> {
  return db.transaction(
    async (tx) => {
      await tx.execute(sql.raw(`SET LOCAL statement_timeout = ${milliseconds}`));
      return read(tx);
    },
    { accessMode: "read only" },
  );
}
