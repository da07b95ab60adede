import { readdirSync, readlinkSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Sql } from "postgres";
import type { LocalFiles } from "../../src/backup/local-files.ts";
import type { Manifest } from "../../src/backup/manifest.ts";
import type { BackupProgress } from "../../src/backup/progress.ts";
import { type RestoreReport, restoreBackup, restoringName } from "../../src/backup/restore.ts";
import { tables } from "../../src/backup/tables.ts";
import type { Config } from "../../src/config/config.ts";
import { connect, type DatabaseClient, parseDatabaseUrl } from "../../src/database/client.ts";
import { openStorage } from "../../src/storage/open-storage.ts";
import type { ObjectStorage } from "../../src/storage/storage.ts";
import { instantHasher } from "../accounts/people.ts";
import { storageEnvironment } from "../storage/picture-server.ts";
import { createTestDatabase } from "../support/shared-postgres.ts";
import { type Backend, openTestStorage } from "../support/storages.ts";
import { startTestServer, type TestServer } from "../support/test-server.ts";

export interface Wishes {
  readonly replace?: boolean;
  readonly salvage?: boolean;
  readonly key?: string | null;
  readonly progress?: BackupProgress;
  /** What stands between the restore and its storage. */
  readonly through?: (storage: ObjectStorage) => ObjectStorage;
}

/** Where something is restored to: a database without tables, and an empty storage. */
export interface Target {
  readonly url: string;
  readonly config: Config;
  /** For looking into it; a restore does not take it for a server. */
  readonly client: DatabaseClient;
  restore(files: LocalFiles, manifest: Manifest, wishes?: Wishes): Promise<RestoreReport>;
  /** Starts the server on it; it ends with the target at the latest. */
  serve(): Promise<TestServer>;
  /** For the program as a process. */
  environment(): Record<string, string>;
  drop(): Promise<void>;
}

/** Says nothing and never stops anything. */
export const silent: BackupProgress = { begin() {}, advance() {} };

export async function newTarget(backend: Backend = "directory"): Promise<Target> {
  const own = await createTestDatabase();
  const client = connect({ ...parseDatabaseUrl(own.url), applicationName: "somebody who looks" }, 3);
  await client.sql.unsafe("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
  const s3 = backend === "s3" ? await openTestStorage("s3") : null;
  const dataDir = await mkdtemp(join(tmpdir(), "tg-restored-"));
  const wanted: Partial<Config> = { ...s3?.config, dataDir, storageBackend: backend };
  const config = wanted as Config;
  const servers: (() => Promise<void>)[] = [];
  return {
    url: own.url,
    config,
    client,
    async restore(files, manifest, { replace = false, salvage = false, key = null, ...more } = {}) {
      const database = connect({ ...parseDatabaseUrl(own.url), applicationName: restoringName() }, 5);
      const open = async (db: DatabaseClient["db"]) => {
        const storage = await openStorage(config, db);
        return more.through?.(storage) ?? storage;
      };
      const { progress } = more;
      try {
        return await restoreBackup({
          files,
          manifest,
          key,
          database,
          openStorage: open,
          replace,
          salvage,
          progress,
        });
      } finally {
        await database.close(1);
      }
    },
    async serve() {
      const database = connect(parseDatabaseUrl(own.url), 10);
      const server = await startTestServer(wanted, { hasher: instantHasher, database });
      const stop = async () => {
        servers.splice(servers.indexOf(stop), 1);
        await server.stop();
        await database.close();
      };
      servers.push(stop);
      return { ...server, stop };
    },
    environment: () => ({
      PATH: process.env.PATH ?? "",
      DATABASE_URL: own.url,
      ...storageEnvironment(config),
    }),
    async drop() {
      for (const stop of [...servers]) await stop();
      await client.close();
      await own.drop();
      await s3?.remove();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** What a restore makes anew: everything else has to be as it was. */
const counted: Record<string, string> = { sync_versions: "t.user_id, t.has_envelopes" };

/** All rows of all tables that a backup holds, as text; of the others there are none to be seen. */
export async function readRows(sql: Sql, only?: string): Promise<Record<string, string[]>> {
  const found: Record<string, string[]> = {};
  for (const { name, owner, only: live } of tables) {
    const where = [live, only && owner && `t.${owner} = '${only}'`].filter(Boolean).join(" AND ");
    const rows = await sql.unsafe(
      `SELECT (SELECT row(${counted[name] ?? "t.*"})::text) AS text FROM ${name} t ${where && `WHERE ${where}`} ORDER BY 1`,
    );
    found[name] = rows.map(({ text }) => text);
  }
  return found;
}

/** Schemas of ours beside the one in use. */
export async function listLeftovers(sql: Sql): Promise<string[]> {
  const rows = await sql`SELECT nspname FROM pg_namespace WHERE nspname LIKE 'trailglass%'`;
  return rows.map(({ nspname }) => nspname);
}

/** Counters and epochs of all accounts. */
export async function readCounters(sql: Sql): Promise<Map<string, { version: number; epoch: string }>> {
  const rows = await sql`SELECT user_id, version::int AS version, epoch FROM sync_versions`;
  return new Map(rows.map(({ user_id, version, epoch }) => [user_id, { version, epoch }]));
}

/** What a restore says when it refuses or fails. */
export async function failureOf(work: Promise<unknown>): Promise<Error> {
  return work.then(
    () => {
      throw new Error("it went well");
    },
    (error) => error as Error,
  );
}

/** Processes that work in a folder, or in one that was there and is gone. */
export function processesIn(folder: string): string[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.filter((pid) => {
    try {
      return readlinkSync(`/proc/${pid}/cwd`).startsWith(`${folder}/`);
    } catch {
      return false;
    }
  });
}
