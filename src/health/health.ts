import { sql } from "drizzle-orm";
import type { Database } from "../database/client.ts";

export interface Health {
  readonly status: "ok" | "unavailable";
  readonly timestamp: string;
  readonly components: Record<string, { status: "ok" | "unavailable"; latencyMs: number }>;
}

/** Longest wait for the database, in milliseconds, before it counts as away. */
const patience = 2000;

async function answers(db: Database): Promise<boolean> {
  const asked = db.execute(sql`SELECT 1`).then(
    () => true,
    () => false,
  );
  return Promise.race([asked, Bun.sleep(patience).then(() => false)]);
}

/** Asks each component whether it works, and how long it took to say so. */
export async function checkHealth(db: Database): Promise<Health> {
  const startedAt = performance.now();
  const status = (await answers(db)) ? "ok" : "unavailable";
  const latencyMs = Math.round((performance.now() - startedAt) * 10) / 10;
  return { status, timestamp: new Date().toISOString(), components: { database: { status, latencyMs } } };
}
