import { Cron } from "croner";
import { sql } from "drizzle-orm";
import type { Database } from "../database/client.ts";
import type { JobKind } from "./job.ts";
import { enqueue } from "./queue.ts";

/** Seconds until what was missed is made up for: whoever starts a machine wants something else of it first. */
const later = 600;

/** Seconds between two times of a pattern; the longest of the next few, as some leave out nights or weekends. */
export function periodOf(pattern: string): number {
  const times = new Cron(pattern).nextRuns(8).map((date) => date.getTime() / 1000);
  return Math.max(...times.slice(1).map((time, index) => time - (times[index] ?? time)));
}

/** Whether a kind was asked for within its period, with an hour to spare. */
async function wasAskedFor(db: Database, kind: string, seconds: number): Promise<boolean> {
  const found = await db.execute(sql`
    SELECT 1 FROM jobs WHERE kind = ${kind} AND created_at > now() - make_interval(secs => ${seconds + 3600}) LIMIT 1`);
  return found.length > 0;
}

/**
 * Asks for what had its time while no server ran: a machine that is switched off at night has its backups all the same.
 * @returns the kinds that were missed
 */
export async function makeUpForMissed(
  db: Database,
  kinds: readonly JobKind[],
  now = new Date(),
): Promise<string[]> {
  const missed: string[] = [];
  for (const { kind, at } of kinds) {
    if (at === null || (await wasAskedFor(db, kind, periodOf(at)))) continue;
    const key = `missed, seen ${now.toISOString().slice(0, 13)}`;
    if (await enqueue(db, { kind, key, lane: kind, inSeconds: later })) missed.push(kind);
  }
  return missed;
}
