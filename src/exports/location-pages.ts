import { type SQL, sql } from "drizzle-orm";
import type { Transaction } from "../database/client.ts";
import { type Page, PageSize, readPages, type Source } from "./pages.ts";
import type { ExportRange } from "./range.ts";

/** Points of a device within a day, which the index of points hands out in the order of time. */
function sourceOf(where: SQL, device: string, json: string): Source {
  return {
    json,
    rows: sql`FROM location_samples t WHERE ${where} AND t.device_id = ${device}::uuid AND t.deleted_at IS NULL`,
    key: [
      { sql: "t.timestamp", type: "timestamptz" },
      { sql: "t.id", type: "text" },
    ],
  };
}

interface Day extends Record<string, unknown> {
  /** Its beginning, and that of the next one. */
  readonly from: string;
  readonly to: string;
}

/**
 * The first day that has points at or after an instant. Each point is looked up by the index: to list the days of a
 * whole life at once would read all of it.
 */
async function findDay(tx: Transaction, within: SQL, from: string): Promise<Day | null> {
  const [row] = await tx.execute<Day>(sql`
    SELECT day::text || '+00' AS from, (day + interval '1 day')::text || '+00' AS to FROM (
      SELECT date_trunc('day', min(t.timestamp) AT TIME ZONE 'UTC') AS day FROM location_samples t
      WHERE ${within} AND t.timestamp >= ${from}::text::timestamptz) first WHERE day IS NOT NULL`);
  return row ?? null;
}

/**
 * An account's points: by day (UTC), then device, then time.
 * @param json SQL of a point
 */
export async function* locationPages(
  tx: Transaction,
  userId: string,
  { start, end }: ExportRange,
  json: string,
): AsyncGenerator<Page> {
  const size = new PageSize();
  const begun = start === null ? sql`true` : sql`t.timestamp >= ${start}::text::timestamptz`;
  const ended = end === null ? sql`true` : sql`t.timestamp <= ${end}::text::timestamptz`;
  const within = sql`t.user_id = ${userId} AND ${begun} AND ${ended}`;
  let day = await findDay(tx, within, "-infinity");
  while (day) {
    const ofDay = sql`${within} AND t.timestamp >= ${day.from}::text::timestamptz AND t.timestamp < ${day.to}::text::timestamptz`;
    const devices = await tx.execute<{ id: string }>(
      sql`SELECT DISTINCT t.device_id AS id FROM location_samples t WHERE ${ofDay} ORDER BY 1`,
    );
    for (const { id } of devices) yield* readPages(tx, sourceOf(ofDay, id, json), size);
    day = await findDay(tx, within, day.to);
  }
}
