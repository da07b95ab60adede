import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Subprocess } from "bun";
import postgres from "postgres";
import { connectionToRunning } from "../../src/database/embedded/connection.ts";

const root = join(import.meta.dir, "../..");
/** Milliseconds within which a server has to become healthy, and to end. */
const patience = 60_000;

/** A server of the benchmark's own: a child process on an embedded database in a temporary folder. */
export class BenchServer {
  #child: Subprocess | undefined;
  #watcher: Subprocess | undefined;

  private constructor(
    readonly dataDir: string,
    readonly port: number,
    private readonly settings: Readonly<Record<string, string>>,
  ) {}

  /** A new, empty one that has not started yet. @param settings variables beside those that all servers here have */
  static async create(settings: Readonly<Record<string, string>> = {}): Promise<BenchServer> {
    const dataDir = await mkdtemp(join(tmpdir(), "trailglass-bench-"));
    // The embedded database runs as another user when this runs as root.
    await chmod(dataDir, 0o755);
    return new BenchServer(dataDir, await freePort(), settings);
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get pid(): number {
    if (!this.#child) throw new Error("the server does not run");
    return this.#child.pid;
  }

  /**
   * Starts the server.
   * @returns milliseconds to the first healthy answer
   */
  async start(): Promise<number> {
    const began = performance.now();
    // For a look inside: BENCH_SERVER_ARGS="--cpu-prof-md --cpu-prof-dir=/tmp".
    const extra = process.env.BENCH_SERVER_ARGS?.split(" ").filter(Boolean) ?? [];
    // The data folder as working folder: no env file of the developer's is picked up.
    const child = Bun.spawn([process.execPath, ...extra, join(root, "cli/main.ts"), "serve"], {
      cwd: this.dataDir,
      env: { ...environment(this.dataDir, this.port), ...this.settings },
      stdout: "ignore",
      stderr: "inherit",
    });
    this.#child = child;
    while (!(await isHealthy(this.url))) {
      if (child.exitCode !== null || performance.now() - began > patience) {
        await this.stop();
        throw new Error("the server did not become healthy");
      }
      await Bun.sleep(5);
    }
    const took = performance.now() - began;
    this.#watcher = endWithThisProcess(child.pid);
    return took;
  }

  /** Ends the server; its data stay. */
  async stop(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    this.#watcher?.kill("SIGKILL");
    if (!child || child.exitCode !== null) return;
    child.kill("SIGTERM");
    const late = setTimeout(() => child.kill("SIGKILL"), patience);
    await child.exited;
    clearTimeout(late);
  }

  /** Ends the server and removes its data. */
  async remove(): Promise<void> {
    await this.stop();
    await rm(this.dataDir, { recursive: true, force: true });
  }

  /** A connection to the server's own database, past the server. */
  connect(): postgres.Sql {
    const { path, user, database } = connectionToRunning(this.dataDir);
    return postgres({ path, user, database, max: 1, onnotice: () => undefined });
  }

  /** Process id of the embedded database's first process. */
  async postmasterPid(): Promise<number> {
    const lines = await readFile(join(this.dataDir, "postgres/postmaster.pid"), "utf8");
    return Number.parseInt(lines, 10);
  }
}

/** As in production, but for what would slow a single machine's client down on purpose: HTTPS and rate limits. */
function environment(dataDir: string, port: number): Record<string, string> {
  const limits = ["AUTH", "SYNC", "LOCATION_BATCH", "PHOTO_UPLOAD", "DEFAULT"];
  return {
    PATH: process.env.PATH ?? "",
    HOME: process.env.HOME ?? dataDir,
    DATA_DIR: dataDir,
    APP_PORT: String(port),
    APP_HOST: "127.0.0.1",
    ALLOW_PLAIN_HTTP: "true",
    REGISTRATION: "open",
    LOG_LEVEL: "warn",
    GLOBAL_RATE_LIMIT_PER_MINUTE: "0",
    ...Object.fromEntries(limits.map((name) => [`RATE_LIMIT_${name}`, "0"])),
  };
}

/** However the benchmark ends, the server ends with it: the watcher notices by the end of its standard input. */
function endWithThisProcess(pid: number): Subprocess {
  const script = 'trap "" INT TERM HUP; cat >/dev/null; kill -TERM "$1" 2>/dev/null';
  const watcher = Bun.spawn(["sh", "-c", script, "sh", String(pid)], {
    stdin: "pipe",
    stdout: "ignore",
    stderr: "ignore",
  });
  watcher.unref();
  return watcher;
}

async function isHealthy(url: string): Promise<boolean> {
  try {
    const answer = await fetch(`${url}/health`, { signal: AbortSignal.timeout(2_000) });
    await answer.text();
    return answer.status === 200;
  } catch {
    return false;
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.on("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => (address && typeof address === "object" ? resolve(address.port) : reject()));
    });
  });
}
