import { setTimeout as sleep } from "node:timers/promises";
import type { Queryable } from "../database/client.ts";
import { enqueue, waitsInLane } from "./queue.ts";

/**
 * The time of a kind has come. However many servers hear that, by their own clocks, one job comes of it; none when one
 * waits already, which does for both: a backup that hangs for a week is not followed by seven at once.
 * @param now by this server's clock, which may be some seconds off another's
 */
export async function tick(db: Queryable, kind: string, now = new Date()): Promise<void> {
  if (await waitsInLane(db, kind)) return;
  const minute = now.toISOString().slice(0, 16);
  await enqueue(db, { kind, key: minute, lane: kind });
}

/** How often a time is asked for that the database did not hear of: for an hour, after which most kinds have another. */
const tries = 120;

/**
 * The same, and again when the database is away: a nightly backup is not left out because that is started anew just then.
 * @param failed told why, once
 * @param pause milliseconds until the next try
 */
export async function tickUntilHeard(
  db: Queryable,
  kind: string,
  failed: (error: unknown) => void,
  pause: number,
): Promise<void> {
  const now = new Date();
  for (let left = tries; left > 0; left--) {
    try {
      return await tick(db, kind, now);
    } catch (error) {
      if (left === tries) failed(error);
    }
    await sleep(pause, undefined, { ref: false });
  }
}
