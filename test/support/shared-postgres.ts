import { readFileSync } from "node:fs";
import { join } from "node:path";
import { migrations } from "../../migrations/index.ts";
import { connect, type DatabaseClient, parseDatabaseUrl } from "../../src/database/client.ts";
import { migrate } from "../../src/database/migrator.ts";
import { startPostgres } from "./postgres.ts";

/** A database of one test's own. */
export interface TestDatabase {
  /** For `DATABASE_URL`. */
  readonly url: string;
  drop(): Promise<void>;
}

interface Shared {
  /** The server, as whoever may create databases there. */
  readonly url: string;
  readonly admin: DatabaseClient;
  /** A migrated database without any rows, to copy. */
  readonly template: string;
  databases: number;
}

const randomName = () => `trailglass_test_${crypto.randomUUID().replaceAll("-", "")}`;

/**
 * Ends the server and removes its folder when this process is gone, however it went: `bun test` fires no exit
 * event. The watcher notices by the end of its standard input.
 */
function stopWithThisProcess(folder: string): void {
  const pid = readFileSync(join(folder, "data/postmaster.pid"), "utf8").split("\n")[0] ?? "";
  const script = 'trap "" INT TERM HUP; cat >/dev/null; kill -QUIT "$1"; sleep 0.2; rm -rf "$2"';
  Bun.spawn(["sh", "-c", script, "sh", pid, folder], {
    stdin: "pipe",
    stdout: "ignore",
    stderr: "ignore",
  }).unref();
}

async function startOwn(): Promise<string> {
  const server = await startPostgres();
  stopWithThisProcess(server.socketDir);
  return server.url;
}

function withDatabase(server: string, name: string): string {
  const url = new URL(server);
  url.pathname = `/${name}`;
  return url.href;
}

async function start(): Promise<Shared> {
  const url = process.env.TEST_DATABASE_URL || (await startOwn());
  const admin = connect(parseDatabaseUrl(url), 2);
  const template = randomName();
  await admin.sql.unsafe(`CREATE DATABASE ${template}`);
  const client = connect(parseDatabaseUrl(withDatabase(url, template)), 1);
  await migrate(client.db, migrations);
  await client.close();
  return { url, admin, template, databases: 0 };
}

async function end({ admin, template }: Shared): Promise<void> {
  await admin.sql.unsafe(`DROP DATABASE ${template} WITH (FORCE)`);
  await admin.close();
}

/** The server that all tests of this process share: `TEST_DATABASE_URL`, else a throw-away one. */
let shared: Promise<Shared> | undefined;

/**
 * A migrated, empty database. The server is started at the first call; on a server that is not ours, the template
 * goes with the last database.
 */
export async function createTestDatabase(): Promise<TestDatabase> {
  shared ??= start();
  const server = await shared;
  const name = randomName();
  server.databases++;
  await server.admin.sql.unsafe(`CREATE DATABASE ${name} TEMPLATE ${server.template}`);
  return {
    url: withDatabase(server.url, name),
    async drop() {
      await server.admin.sql.unsafe(`DROP DATABASE ${name} WITH (FORCE)`);
      server.databases--;
      if (server.databases > 0 || !process.env.TEST_DATABASE_URL) return;
      shared = undefined;
      await end(server);
    },
  };
}
