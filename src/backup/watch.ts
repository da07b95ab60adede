import type { BackupHealth } from "../health/health.ts";
import { readBackupStatus } from "./status.ts";

/** Seconds after which a backup that is made every night is missing: one night may fail. */
const overdue = 2 * 86_400;
/** Milliseconds for which an answer is good. */
const goodFor = 60_000;
/** Milliseconds that somebody who asks waits for a slow disk. */
const patience = 500;

const nothing: BackupHealth = { status: "none", newest: null, lastProven: null };

/** Knows how it stands with the backups in a folder, without looking each time. */
export class BackupWatch {
  #known: BackupHealth | null = null;
  #readAt = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | undefined;

  constructor(private readonly dir: string) {}

  /** @returns null as long as the disk has not answered */
  async look(): Promise<BackupHealth | null> {
    if (performance.now() - this.#readAt >= goodFor) this.#reading ??= this.#read();
    await Promise.race([this.#reading, Bun.sleep(patience)]);
    return this.#known;
  }

  async #read(): Promise<void> {
    this.#known = await judge(this.dir).catch(() => nothing);
    this.#readAt = performance.now();
    this.#reading = undefined;
  }
}

async function judge(dir: string): Promise<BackupHealth> {
  const { newest, lastProven } = await readBackupStatus(dir);
  const proven = lastProven?.toISOString() ?? null;
  if (newest === null) return { ...nothing, lastProven: proven };
  const age = (Date.now() - newest.createdAt.getTime()) / 1000;
  const status = age > overdue ? "stale" : "ok";
  return { status, newest: newest.createdAt.toISOString(), lastProven: proven };
}
