import type { Queryable } from "../database/client.ts";
import { enqueue } from "./queue.ts";

/**
 * The time of a kind has come. However many servers hear that, by their own clocks, one job comes of it.
 * @param now by this server's clock, which may be some seconds off another's
 */
export async function tick(db: Queryable, kind: string, now = new Date()): Promise<void> {
  const minute = now.toISOString().slice(0, 16);
  await enqueue(db, { kind, key: minute, lane: kind });
}
