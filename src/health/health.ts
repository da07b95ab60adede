import { sql } from "drizzle-orm";
import type { Database } from "../database/client.ts";

/** How it stands with the backups: what is amiss there does not make the server unavailable. */
export interface BackupHealth {
  /** `stale`: the newest is older than two days. */
  readonly status: "ok" | "stale" | "none";
  /** The instant that the newest one shows. */
  readonly newest: string | null;
  /** When one was last restored, to try it. */
  readonly lastProven: string | null;
}

/** Who knows about the backups. */
export interface BackupLookout {
  /** @returns null when that is not known */
  look(): Promise<BackupHealth | null>;
}

interface Component {
  readonly status: "ok" | "unavailable" | BackupHealth["status"];
  readonly latencyMs: number;
}

export interface Health {
  readonly status: "ok" | "unavailable";
  readonly timestamp: string;
  readonly components: Record<string, Component>;
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

/** @returns what was found out, and the milliseconds that took */
async function timed<T>(work: Promise<T>): Promise<{ found: T; latencyMs: number }> {
  const startedAt = performance.now();
  const found = await work;
  return { found, latencyMs: Math.round((performance.now() - startedAt) * 10) / 10 };
}

/** Asks each component whether it works, and how long it took to say so. */
export async function checkHealth(db: Database, backups: BackupLookout): Promise<Health> {
  const [database, backup] = await Promise.all([timed(answers(db)), timed(backups.look())]);
  const status = database.found ? "ok" : "unavailable";
  const components = {
    database: { status, latencyMs: database.latencyMs },
    ...(backup.found && { backup: { ...backup.found, latencyMs: backup.latencyMs } }),
  } as const;
  return { status, timestamp: new Date().toISOString(), components };
}
