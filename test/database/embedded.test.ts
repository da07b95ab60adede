import { afterAll, afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import postgres from "postgres";
import { type Account, chooseAccount } from "../../src/database/embedded/account.ts";
import { connectionToRunning } from "../../src/database/embedded/connection.ts";
import { EmbeddedPostgresError } from "../../src/database/embedded/error.ts";
import { layOut } from "../../src/database/embedded/layout.ts";
import { type EmbeddedLog, PostgresLogSink } from "../../src/database/embedded/log.ts";
import { locateRuntime, runtimePlaces } from "../../src/database/embedded/runtime.ts";
import {
  type EmbeddedPostgres,
  type EmbeddedPostgresOptions,
  startEmbeddedPostgres,
} from "../../src/database/embedded/server.ts";

setDefaultTimeout(60_000);

const isRoot = process.geteuid?.() === 0;
const serverModule = resolve(import.meta.dir, "../../src/database/embedded/server.ts");

type Logged = { level: string; message: string; fields: object };
type Running = EmbeddedPostgres & { readonly logged: Logged[] };

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of cleanups.splice(0).reverse()) await step();
});

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "embedded-"));
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function recorder(): { log: EmbeddedLog; logged: Logged[] } {
  const logged: Logged[] = [];
  const at = (level: string) => (fields: object, message: string) => {
    logged.push({ level, message, fields });
  };
  return { logged, log: { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") } };
}

async function start(dataDir: string, more: Partial<EmbeddedPostgresOptions> = {}): Promise<Running> {
  const { log, logged } = recorder();
  const server = await startEmbeddedPostgres({ dataDir, log, ...more });
  cleanups.push(() => server.stop());
  return Object.assign(server, { logged });
}

function connect(server: Pick<EmbeddedPostgres, "connection">, more: object = {}): postgres.Sql {
  const sql = postgres({ ...server.connection, max: 2, connect_timeout: 5, onnotice: () => {}, ...more });
  cleanups.push(() => sql.end({ timeout: 1 }));
  return sql;
}

/** Asks on a fresh connection each time, until an answer comes: what a pool does after a restart. */
async function eventually<T>(server: Running, ask: (sql: postgres.Sql) => Promise<T>): Promise<T> {
  const deadline = performance.now() + 15_000;
  for (;;) {
    const sql = postgres({ ...server.connection, max: 1, connect_timeout: 2, onnotice: () => {} });
    try {
      return await ask(sql);
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await Bun.sleep(20);
    } finally {
      await sql.end({ timeout: 1 });
    }
  }
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 15_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`waited in vain until ${what}`);
    await Bun.sleep(10);
  }
}

async function refusal(attempt: Promise<unknown>): Promise<EmbeddedPostgresError> {
  const error = await attempt.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof EmbeddedPostgresError) return error;
  throw new Error(`expected a refusal, got ${error}`);
}

/** A server process of its own, which can be killed. It prints what it has once it is up. */
async function startOwner(dataDir: string): Promise<{ owner: ChildProcess; pid: number }> {
  const script = `
    import { startEmbeddedPostgres } from ${JSON.stringify(serverModule)};
    const log = { debug() {}, info() {}, warn() {}, error() {} };
    const server = await startEmbeddedPostgres({ dataDir: ${JSON.stringify(dataDir)}, log });
    console.log(server.pid);`;
  const owner = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  cleanups.push(() => owner.kill("SIGKILL"));
  const line = await new Promise<string>((done) => owner.stdout?.once("data", (data) => done(String(data))));
  return { owner, pid: Number(line) };
}

async function outputOf(script: string): Promise<string> {
  const child = Bun.spawn([process.execPath, "-e", script], { stderr: "inherit" });
  return (await new Response(child.stdout).text()).trim();
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((done) => child.once("exit", () => done()));
}

/** A zombie, which nobody has come for yet, has no command line left. */
function isRunning(pid: number): boolean {
  return existsSync(`/proc/${pid}`) && readFileSync(`/proc/${pid}/cmdline`, "utf8") !== "";
}

/** Empty where root, in a container, may not look into another user's process. */
function environmentOf(pid: number | undefined): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, "utf8");
  } catch {
    return "";
  }
}

function processGroupOf(pid: number | undefined): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[2]);
}

/** Processes that carry the cluster's name, zombies left out. */
function processesOf(clusterName: string): string[] {
  return readdirSync("/proc").filter((entry) => {
    try {
      return /^\d+$/.test(entry) && readFileSync(`/proc/${entry}/cmdline`, "utf8").includes(clusterName);
    } catch {
      return false;
    }
  });
}

async function settingOf(sql: postgres.Sql, setting: string): Promise<string> {
  const [row] = await sql.unsafe(`SHOW ${setting}`);
  return Object.values(row ?? {})[0];
}

let template: string | undefined;
afterAll(() => template && rmSync(template, { recursive: true }));

/** A data folder with a cluster that was used and stopped, copied from one that is made once. */
async function usedCluster(...below: string[]): Promise<string> {
  template ??= await makeTemplate();
  const dataDir = join(temporaryFolder(), ...below, "data");
  mkdirSync(dirname(dataDir), { recursive: true });
  spawnSync("cp", ["-a", join(template, "data"), dataDir]);
  return dataDir;
}

async function makeTemplate(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "embedded-"));
  const server = await startEmbeddedPostgres({ dataDir: join(folder, "data"), log: recorder().log });
  const sql = connect(server);
  await sql`CREATE TABLE note AS SELECT 'kept' AS text`;
  await sql.end();
  await server.stop();
  return folder;
}

const notes = async (sql: postgres.Sql) => (await sql`SELECT text FROM note`).map((row) => row.text);

describe("an ordinary life", () => {
  test("creates a durable, private, small database and keeps its data", async () => {
    const dataDir = join(temporaryFolder(), "data");
    const first = await start(dataDir);
    const sql = connect(first);
    const [who] =
      await sql`SELECT current_user, current_database(), rolsuper FROM pg_roles WHERE rolname = current_user`;
    expect(who).toEqual({ current_user: "trailglass", current_database: "trailglass", rolsuper: false });
    const expected = {
      fsync: "on",
      full_page_writes: "on",
      synchronous_commit: "on",
      data_checksums: "on",
      listen_addresses: "",
      server_encoding: "UTF8",
      timezone: "UTC",
      log_min_error_statement: "panic",
      log_error_verbosity: "terse",
      log_parameter_max_length: "0",
      log_parameter_max_length_on_error: "0",
      shared_buffers: "64MB",
      max_connections: "20",
      jit: "off",
      huge_pages: "off",
      wal_compression: "pglz",
    };
    for (const [name, value] of Object.entries(expected)) expect(await settingOf(sql, name)).toBe(value);
    const name = await settingOf(sql, "cluster_name");
    // A session of its own: a Ctrl-C in the terminal does not reach it.
    expect(processGroupOf(first.pid)).toBe(first.pid as number);
    expect(environmentOf(first.pid)).not.toContain("HOME=");
    await sql`CREATE TABLE note AS SELECT 'kept' AS text`;
    await sql.end();

    await first.stop();
    expect(processesOf(name)).toEqual([]);
    expect(
      readdirSync(join(dataDir, "postgres")).filter((file) => /postmaster\.pid|PGSQL/.test(file)),
    ).toEqual([]);
    expect(first.pid).toBeUndefined();

    const second = await start(dataDir);
    expect(await notes(connect(second))).toEqual(["kept"]);
    expect(second.logged.some(({ message }) => message.startsWith("database system was shut down at"))).toBe(
      true,
    );
    expect(second.logged.filter(({ level }) => level === "warn" || level === "error")).toEqual([]);
  });

  test("lets in only root and the owner, and shows the folder to nobody", async () => {
    const dataDir = await usedCluster();
    const server = await start(dataDir);
    const admin = connect(server, { user: "postgres" });
    const rules = await admin`SELECT type, database, user_name, auth_method, options FROM pg_hba_file_rules`;
    expect([...rules]).toEqual([
      {
        type: "local",
        database: ["all"],
        user_name: ["all"],
        auth_method: "peer",
        options: ["map=trailglass"],
      },
    ]);
    const allowed = (await admin`SELECT sys_name FROM pg_ident_file_mappings`).map((row) => row.sys_name);
    const owner = chooseAccount(layOut(dataDir)).name as string;
    expect(allowed).toEqual([...new Set(["root", owner])]);
    expect(statSync(join(dataDir, "postgres")).mode & 0o777).toBe(0o700);
    expect(statSync(server.connection.path).mode & 0o777).toBe(0o700);
  });

  test("a path too long for a socket is no hindrance", async () => {
    const dataDir = await usedCluster("long-".repeat(40));
    const server = await start(dataDir);
    expect(server.connection.path.length).toBeLessThan(108);
    const sql = connect(server);
    await sql`INSERT INTO note VALUES ('far away')`;
    process.kill(server.pid as number, "SIGKILL");
    expect(await eventually(server, notes)).toEqual(["kept", "far away"]);
  });

  test("follows a symbolic link to another disk, and refuses when that is not mounted", async () => {
    const dataDir = temporaryFolder();
    const disk = temporaryFolder();
    mkdirSync(join(disk, "pg"));
    symlinkSync(join(disk, "pg"), join(dataDir, "postgres"));
    const server = await start(dataDir);
    await server.stop();
    expect(existsSync(join(disk, "pg", "PG_VERSION"))).toBe(true);
    rmSync(disk, { recursive: true });
    expect((await refusal(start(dataDir))).code).toBe("cluster_missing");
  });
});

describe("accidents", () => {
  test("a killed postmaster is replaced, also with a backend deep in a computation", async () => {
    const dataDir = await usedCluster();
    const server = await start(dataDir);
    const before = server.pid as number;
    const sql = connect(server);
    const endless = sql`SELECT count(*) FROM generate_series(1, 1e12)`.catch(() => "cut off");
    await Bun.sleep(200);
    process.kill(before, "SIGKILL");
    expect(await endless).toBe("cut off");
    expect(await eventually(server, notes)).toEqual(["kept"]);
    expect(server.pid).not.toBe(before);
    const messages = server.logged.filter(({ level }) => level !== "debug").map(({ message }) => message);
    expect(messages).toContain("the embedded Postgres ended unexpectedly; starting it again");
    expect(messages).toContain("the embedded Postgres runs again");
  });

  test("survives a crashed backend, a reload and parallel plans, reached only through an open folder", async () => {
    const server = await start(await usedCluster());
    const postmaster = server.pid;
    const sql = connect(server);
    await sql`CREATE EXTENSION pg_trgm`;
    const [backend] = await connect(server)`SELECT pg_backend_pid() AS pid`;
    process.kill(backend?.pid, "SIGKILL");
    expect(await eventually(server, notes)).toEqual(["kept"]);
    expect(server.pid).toBe(postmaster);

    const admin = connect(server, { user: "postgres", max: 1 });
    await eventually(server, notes);
    await admin`ALTER SYSTEM SET work_mem = '5MB'`;
    await admin`SELECT pg_reload_conf()`;
    await admin`ALTER SYSTEM SET idle_session_timeout = '1h'`;
    await admin`SELECT pg_reload_conf()`;
    await Bun.sleep(100);
    expect(await settingOf(admin, "idle_session_timeout")).toBe("1h");
    expect(await settingOf(admin, "work_mem")).toBe("4MB");

    await admin`SET debug_parallel_query = on`;
    await admin`SET work_mem = '64kB'`;
    const [sum] =
      await admin`SELECT count(*)::int AS n FROM (SELECT DISTINCT md5(i::text) FROM generate_series(1, 50000) i)`;
    expect(sum?.n).toBe(50_000);
  });

  test("gives up, and says so once, when it fails again and again", async () => {
    const dataDir = await usedCluster();
    const fatal: Error[] = [];
    const server = await start(dataDir, { onFatal: (error) => fatal.push(error) });
    writeFileSync(join(dataDir, "postgres", "PG_VERSION"), "17\n");
    process.kill(server.pid as number, "SIGKILL");
    await until(() => fatal.length > 0, "it gives up");
    expect(fatal).toHaveLength(1);
    expect(fatal[0]).toMatchObject({ code: "keeps_failing" });
    expect(fatal[0]?.message).toContain("incompatible");
    expect(server.pid).toBeUndefined();
    await server.stop();
  });

  test("can be stopped between two attempts", async () => {
    const dataDir = await usedCluster();
    const server = await start(dataDir);
    writeFileSync(join(dataDir, "postgres", "PG_VERSION"), "17\n");
    process.kill(server.pid as number, "SIGKILL");
    await until(() => server.logged.some(({ level }) => level === "error"), "an attempt fails");
    await server.stop();
    expect((await refusal(start(dataDir))).code).toBe("other_major_version");
  });

  test("a new server takes over from one that was killed", async () => {
    const dataDir = await usedCluster();
    const { owner, pid } = await startOwner(dataDir);
    const sql = connect({ connection: connectionToRunning(dataDir) });
    await sql`INSERT INTO note VALUES ('committed just before')`;
    await sql.end();
    const gone = ended(owner);
    owner.kill("SIGKILL");
    await gone;
    expect(isRunning(pid)).toBe(true);
    const server = await start(dataDir);
    expect(isRunning(pid)).toBe(false);
    expect(await notes(connect(server))).toEqual(["kept", "committed just before"]);
  });

  test("a stale postmaster.pid with the number of an innocent process does not keep it from starting", async () => {
    const dataDir = await usedCluster();
    const { uid, gid } = statSync(join(dataDir, "postgres"));
    const innocent = spawn("sleep", ["60"], { ...(isRoot && { uid, gid }), stdio: "ignore" });
    cleanups.push(() => innocent.kill("SIGKILL"));
    for (const name of ["postmaster.pid", ".s.PGSQL.5432.lock"]) {
      const file = join(dataDir, "postgres", name);
      writeFileSync(file, `${innocent.pid}\n/proc/self/fd/3\n1700000000\n5432\n.\n\n`, { mode: 0o600 });
      chownSync(file, uid, gid);
    }
    expect(await notes(connect(await start(dataDir)))).toEqual(["kept"]);
    expect(innocent.exitCode).toBeNull();
  });
});

describe("two servers on one folder", () => {
  test("the second is refused, whether in another process or in this one", async () => {
    const dataDir = await usedCluster();
    const { owner, pid } = await startOwner(dataDir);
    const error = await refusal(start(dataDir));
    expect(error.code).toBe("in_use");
    expect(error.message).toContain(`pid ${owner.pid}`);
    rmSync(join(dataDir, "trailglass.lock"));
    const withoutLock = await refusal(start(dataDir));
    expect(withoutLock.code).toBe("in_use");
    expect(withoutLock.message).toContain(`pid ${owner.pid}`);
    expect(isRunning(pid)).toBe(true);
    const gone = ended(owner);
    owner.kill("SIGKILL");
    await gone;
    await start(dataDir);
    expect((await refusal(start(dataDir))).message).toContain(`pid ${process.pid}`);
  });

  test("of several that start at once one wins", async () => {
    const dataDir = await usedCluster();
    const attempts = await Promise.allSettled([start(dataDir), start(dataDir), start(dataDir)]);
    expect(attempts.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected", "rejected"]);
  });
});

describe("folders that are not to be touched", () => {
  test("another major version", async () => {
    const dataDir = await usedCluster();
    writeFileSync(join(dataDir, "postgres", "PG_VERSION"), "17\n");
    const error = await refusal(start(dataDir));
    expect(error.code).toBe("other_major_version");
    expect(error.message).toMatch(/Postgres 17.*Postgres 18/);
    writeFileSync(join(dataDir, "postgres", "PG_VERSION"), "18\n");
    expect(await notes(connect(await start(dataDir)))).toEqual(["kept"]);
  });

  test("something else than a cluster", async () => {
    const dataDir = temporaryFolder();
    mkdirSync(join(dataDir, "postgres"));
    writeFileSync(join(dataDir, "postgres", "letter.txt"), "mine");
    expect((await refusal(start(dataDir))).code).toBe("not_a_cluster");
    writeFileSync(join(dataDir, "postgres", "PG_VERSION"), "18\n");
    expect((await refusal(start(dataDir))).code).toBe("not_a_cluster");
    expect(readdirSync(join(dataDir, "postgres")).sort()).toEqual(["PG_VERSION", "letter.txt"]);
  });

  test("the place of a database that is gone", async () => {
    const dataDir = await usedCluster();
    rmSync(join(dataDir, "postgres"), { recursive: true });
    expect((await refusal(start(dataDir))).code).toBe("cluster_missing");
    mkdirSync(join(dataDir, "postgres"));
    expect((await refusal(start(dataDir))).code).toBe("cluster_missing");
    rmSync(join(dataDir, "postgres.initialised"));
    await start(dataDir);
  });

  test("a half-made cluster is made anew, but one that has served is left alone", async () => {
    const dataDir = temporaryFolder();
    const partial = join(dataDir, "postgres.partial");
    mkdirSync(join(partial, "base"), { recursive: true });
    writeFileSync(join(partial, "PG_VERSION"), "18\n");
    writeFileSync(join(partial, "postmaster.opts"), "");
    expect((await refusal(start(dataDir))).code).toBe("not_a_cluster");
    expect(existsSync(join(partial, "base"))).toBe(true);
    rmSync(join(partial, "postmaster.opts"));
    await start(dataDir);
    expect(readdirSync(dataDir).sort()).toEqual(["postgres", "postgres.initialised", "trailglass.lock"]);
  });

  test("a server killed in the middle of initdb", async () => {
    const dataDir = join(temporaryFolder(), "data");
    const script = `
      import { startEmbeddedPostgres } from ${JSON.stringify(serverModule)};
      const log = { debug() {}, info() {}, warn() {}, error() {} };
      await startEmbeddedPostgres({ dataDir: ${JSON.stringify(dataDir)}, log });`;
    const owner = spawn(process.execPath, ["-e", script], { stdio: "ignore" });
    await until(() => existsSync(join(dataDir, "postgres.partial", "global")), "initdb is at work");
    const gone = ended(owner);
    owner.kill("SIGKILL");
    await gone;
    expect(existsSync(join(dataDir, "postgres"))).toBe(false);
    const server = await start(dataDir);
    expect(await settingOf(connect(server), "data_checksums")).toBe("on");
    await server.stop();
    await start(dataDir);
    expect(readdirSync(dataDir).sort()).toEqual(["postgres", "postgres.initialised", "trailglass.lock"]);
  });

  test("a data folder that cannot be written", async () => {
    const file = join(temporaryFolder(), "file");
    writeFileSync(file, "");
    expect((await refusal(start(join(file, "data")))).code).toBe("not_writable");
  });

  test.skipIf(isRoot)("a read-only data folder", async () => {
    const dataDir = temporaryFolder();
    chmodSync(dataDir, 0o500);
    expect((await refusal(start(dataDir))).code).toBe("not_writable");
  });
});

describe.skipIf(!isRoot)("as root", () => {
  test("Postgres runs as another user below folders that only root can enter", async () => {
    const closed = temporaryFolder();
    chmodSync(closed, 0o700);
    const dataDir = join(closed, "data");
    mkdirSync(dataDir, { mode: 0o700 });
    writeFileSync(join(dataDir, "mine.txt"), "");
    const server = await start(dataDir);
    expect(statSync(`/proc/${server.pid}`).uid).not.toBe(0);
    expect(statSync(join(dataDir, "mine.txt")).uid).toBe(0);
    expect(statSync(dataDir).uid).toBe(0);
  });

  test("the owner of an existing cluster goes before the preferred users", async () => {
    const dataDir = await usedCluster();
    spawnSync("chown", ["-R", "12345:12345", join(dataDir, "postgres")]);
    const server = await start(dataDir);
    expect(statSync(`/proc/${server.pid}`).uid).toBe(12345);
    expect(await notes(connect(server))).toEqual(["kept"]);
  });

  test("in a folder of somebody else it leaves what that user can go on with", async () => {
    const dataDir = temporaryFolder();
    chownSync(dataDir, 2, 2);
    const server = await start(dataDir);
    expect(statSync(`/proc/${server.pid}`).uid).toBe(2);
    expect(statSync(join(dataDir, "trailglass.lock")).uid).toBe(2);
  });

  test("a cluster that was copied back as root is given to its user", async () => {
    const dataDir = await usedCluster();
    spawnSync("chown", ["-R", "0:0", join(dataDir, "postgres")]);
    chmodSync(join(dataDir, "postgres"), 0o755);
    expect(await notes(connect(await start(dataDir)))).toEqual(["kept"]);
    expect(statSync(join(dataDir, "postgres")).mode & 0o777).toBe(0o700);
  });

  test("programs that the other user cannot reach are copied, once, to a place that it can", async () => {
    const layout = layOut(join(temporaryFolder(), "data"));
    const account: Account = chooseAccount(layout);
    const installed = runtimePlaces(layout).packaged as string;
    const closed = temporaryFolder();
    mkdirSync(join(closed, "package"));
    cpSync(installed, join(closed, "package", "native"), { recursive: true, verbatimSymlinks: true });
    cpSync(join(installed, "../package.json"), join(closed, "package", "package.json"));
    const open = temporaryFolder();
    chmodSync(open, 0o755);
    spawnSync("chmod", ["-R", "go=", closed]);
    const packaged = join(closed, "package/native");
    const script = `
      import { locateRuntime } from ${JSON.stringify(serverModule.replace("server.ts", "runtime.ts"))};
      process.umask(0o077);
      const places = { packaged: ${JSON.stringify(packaged)}, copies: [${JSON.stringify(join(open, "yes"))}] };
      console.log((await locateRuntime(places, ${JSON.stringify(account)})).binDir);`;
    const found = await Promise.all([1, 2, 3].map(() => outputOf(script)));
    const places = { packaged, copies: [join(closed, "no"), join(open, "yes")] };
    const one = await locateRuntime(places, account);
    expect(found).toEqual([one.binDir, one.binDir, one.binDir]);
    expect(one.binDir.startsWith(join(open, "yes"))).toBe(true);
    expect(readdirSync(join(open, "yes"))).toHaveLength(1);
    const made = statSync(one.binDir).mtimeMs;
    const server = await start(layout.dataDir, { runtime: places });
    await connect(server)`CREATE EXTENSION pg_trgm`;
    expect(statSync(one.binDir).mtimeMs).toBe(made);
  });

  test("a full disk is called by its name", async () => {
    const disk = temporaryFolder();
    if (spawnSync("mount", ["-t", "tmpfs", "-o", "size=8m", "none", disk]).status !== 0) return;
    cleanups.push(() => spawnSync("umount", ["-l", disk]));
    expect((await refusal(start(join(disk, "data")))).code).toBe("disk_full");
    expect(existsSync(join(disk, "data/postgres"))).toBe(false);
  });
});

describe("the log", () => {
  test("says nothing of what a failed statement held", async () => {
    const server = await start(await usedCluster());
    const sql = connect(server);
    await sql`CREATE TABLE secret (id int PRIMARY KEY, word text UNIQUE)`;
    await sql`INSERT INTO secret VALUES (1, 'rosebud')`;
    const failures = [
      sql`INSERT INTO secret VALUES (2, ${"rosebud"})`,
      sql`SELECT ${"rosebud"}::text::int`,
      sql.unsafe("SELECT 'rosebud'::uuid"),
      sql.unsafe("DO $$ BEGIN RAISE EXCEPTION E'first\\nrosebud'; END $$"),
      sql.unsafe("SELECT rosebud FROM"),
    ];
    expect((await Promise.allSettled(failures)).every(({ status }) => status === "rejected")).toBe(true);
    const failed = () => server.logged.filter(({ message }) => message === "a statement failed");
    await until(() => failed().length === failures.length, "the failures are logged");
    expect(failed()[0]?.fields).toMatchObject({ postgres: { sqlstate: "23505" } });
    expect(JSON.stringify(server.logged)).not.toContain("rosebud");
  });

  test("ranks what Postgres writes", () => {
    const { log, logged } = recorder();
    const sink = new PostgresLogSink(log);
    sink.write("1/00000/postmaster/ LOG:  listening");
    sink.write(
      "2/00000/startup/ LOG:  database system was not properly shut down; automatic recovery in progress",
    );
    sink.write("3/22P02/client backend/ ERROR:  invalid input: rosebud");
    sink.write("\trosebud");
    sink.write("4/53100/client backend/ ERROR:  could not extend file: No space left on device");
    sink.write("5/57P03/client backend/ FATAL:  the database system is starting up");
    sink.write("1/F0000/postmaster/ FATAL:  could not write lock file");
    sink.write("postgres: error while loading shared libraries");
    const levels = logged.map(({ level }) => level);
    expect(levels).toEqual(["debug", "warn", "debug", "error", "debug", "error", "warn"]);
    expect(JSON.stringify(logged)).not.toContain("rosebud");
    expect(sink.lastComplaint).toBe("postgres: error while loading shared libraries");
  });
});
