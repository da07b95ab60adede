import { sql } from "drizzle-orm";
import type { Database, Queryable } from "../database/client.ts";
import { countCountries } from "./countries.ts";
import { trackLength } from "./distance-sql.ts";

/** What an account's journal amounts to; the keys are those of the API. */
export interface Statistics {
  readonly totalLocations: number;
  readonly totalPlaceVisits: number;
  readonly totalTrips: number;
  readonly totalPhotos: number;
  readonly countriesVisited: number;
  /** Metres. */
  readonly totalDistance: number;
}

type Totals = Omit<Statistics, "countriesVisited" | "totalDistance">;

async function countEntities(db: Queryable, userId: string): Promise<Totals> {
  const live = (table: string, kind: string) => sql`(
    SELECT count(*) FROM ${sql.identifier(table)} WHERE user_id = ${userId} AND deleted_at IS NULL
  ) + (
    SELECT count(*) FROM encrypted_sync_data WHERE user_id = ${userId} AND kind = ${kind} AND deleted_at IS NULL
  )`;
  const [totals] = await db.execute<Totals & Record<string, unknown>>(sql`
    SELECT ${live("location_samples", "locations")} AS "totalLocations",
      ${live("place_visits", "placeVisits")} AS "totalPlaceVisits",
      ${live("trips", "trips")} AS "totalTrips", ${live("photos", "photos")} AS "totalPhotos"`);
  return totals as Totals;
}

async function measureTracks(db: Queryable, userId: string): Promise<number> {
  const [length] = await db.execute<{ metres: number }>(trackLength(userId));
  return length?.metres ?? 0;
}

/** Counts everything anew. Encrypted entities count, too; where they were is nobody's to know. */
export async function readStatistics(db: Queryable, userId: string): Promise<Statistics> {
  const totals = await countEntities(db, userId);
  const countriesVisited = await countCountries(db, userId);
  return { ...totals, countriesVisited, totalDistance: await measureTracks(db, userId) };
}

/** Accounts whose statistics are remembered; a household has fewer. */
const remembered = 200;

/** Statistics of accounts, each computed once for every state of its journal. */
export class StatisticsReader {
  readonly #known = new Map<string, { version: number; statistics: Promise<Statistics> }>();

  constructor(readonly db: Database) {}

  async read(userId: string): Promise<Statistics> {
    // The version is read first: what changes during the count makes the next reading count again.
    const [counter] = await this.db.execute<{ version: number }>(
      sql`SELECT version FROM sync_versions WHERE user_id = ${userId}`,
    );
    const version = counter?.version ?? 0;
    const known = this.#known.get(userId);
    if (known?.version === version) return known.statistics;
    const statistics = readStatistics(this.db, userId);
    this.#remember(userId, version, statistics);
    return statistics;
  }

  #remember(userId: string, version: number, statistics: Promise<Statistics>): void {
    this.#known.delete(userId);
    const entry = { version, statistics };
    this.#known.set(userId, entry);
    const [oldest] = this.#known.keys();
    if (this.#known.size > remembered && oldest !== undefined) this.#known.delete(oldest);
    statistics.catch(() => {
      if (this.#known.get(userId) === entry) this.#known.delete(userId);
    });
  }
}
