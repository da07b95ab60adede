import { connect, type Database, parseDatabaseUrl, type Transaction } from "../../src/database/client.ts";
import type { TestServer } from "./test-server.ts";

/** A transaction on a connection of its own that has done its work and waits. */
export interface HeldTransaction {
  /** Commits; resolves when that is done. */
  commit(): Promise<void>;
}

/** Does some work in a transaction and keeps it open, so that a test can see what waits for it. */
export async function holdTransaction(
  server: TestServer,
  work: (tx: Transaction) => Promise<unknown>,
): Promise<HeldTransaction> {
  const client = connect(parseDatabaseUrl(server.databaseUrl), 1);
  const worked = Promise.withResolvers<void>();
  const told = Promise.withResolvers<void>();
  const done = client.db.transaction(async (tx) => {
    await work(tx);
    worked.resolve();
    await told.promise;
  });
  await Promise.race([worked.promise, done]);
  return {
    async commit() {
      told.resolve();
      await done;
      await client.close();
    },
  };
}

async function countWaiting(db: Database): Promise<number> {
  const [row] = await db.execute<{ count: number }>(
    "SELECT count(*) AS count FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
  );
  return row?.count ?? 0;
}

/** Resolves when so many statements wait for a lock; rejects after a few seconds, when they do not. */
export async function untilWaiting(server: TestServer, statements = 1): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    if ((await countWaiting(server.context.db)) >= statements) return;
    await Bun.sleep(10);
  }
  throw new Error("nobody waits for a lock");
}
