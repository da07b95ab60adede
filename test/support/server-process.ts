import { chmod, mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Subprocess } from "bun";
import { freshDatabase } from "./fresh-database.ts";
import { requireSilence } from "./log-canary.ts";
import { program } from "./program.ts";

export interface ServerProcessOptions {
  /** More or other environment variables for the server. */
  env?: Record<string, string>;
  /** The program and its arguments; the default is `TEST_SERVER_COMMAND`, else the sources. */
  command?: string[];
}

/** A real server as a child process, with a data folder (or database) of its own. */
export interface ServerProcess {
  readonly url: string;
  /** Process id of the present incarnation. */
  readonly pid: number;
  readonly dataDir: string;
  /** The end of what it has printed, for a failing test. */
  output(): string;
  /** Sends a signal and waits until the process is gone. */
  kill(signal: "SIGKILL" | "SIGTERM" | "SIGINT"): Promise<void>;
  /** Starts again on the same data and port, and waits until it is ready. */
  restart(): Promise<void>;
  /** Ends the server and removes its data. @throws when it has printed what phones sent in confidence */
  stop(): Promise<void>;
}

const READY_WITHIN_MS = 60_000;
const STOP_WITHIN_MS = 20_000;

/** Rate limits are off: several phones of one account work faster than people do. */
const UNLIMITED = Object.fromEntries(
  ["AUTH", "SYNC", "LOCATION_BATCH", "PHOTO_UPLOAD", "DEFAULT"].map((name) => [`RATE_LIMIT_${name}`, "0"]),
);

/**
 * Starts the server and waits for GET /health/ready. With `TEST_DATABASE_URL` it gets a fresh database there, else it
 * runs its embedded one.
 * @throws with the end of the server's output when it does not become ready
 */
export async function startServerProcess(options: ServerProcessOptions = {}): Promise<ServerProcess> {
  const dataDir = await mkdtemp(join(tmpdir(), "trailglass-test-"));
  // The embedded database runs as another user when the tests run as root.
  await chmod(dataDir, 0o755);
  const database = await freshDatabase();
  const port = await freePort();
  const env = {
    ...environment(dataDir, port),
    ...(database ? { DATABASE_URL: database.url } : {}),
    ...options.env,
  };
  const command = options.command ?? defaultCommand();
  const url = `http://127.0.0.1:${port}`;
  const printed: string[] = [];
  let current = await launch(command, dataDir, env, url, printed);
  return {
    url,
    dataDir,
    get pid() {
      return current.child.pid;
    },
    output: () => current.output(),
    kill: (signal) => end(current, signal),
    async restart() {
      await end(current, "SIGTERM");
      current = await launch(command, dataDir, env, url, printed);
    },
    async stop() {
      await end(current, "SIGTERM");
      await database?.drop();
      await rm(dataDir, { recursive: true, force: true });
      requireSilence(url, printed.join("").split("\n"));
    },
  };
}

function defaultCommand(): string[] {
  const given = process.env.TEST_SERVER_COMMAND;
  return given ? given.split(" ") : [...program, "serve"];
}

function environment(dataDir: string, port: number): Record<string, string> {
  return {
    PATH: process.env.PATH ?? "",
    HOME: process.env.HOME ?? dataDir,
    DATA_DIR: dataDir,
    APP_PORT: String(port),
    APP_HOST: "127.0.0.1",
    ALLOW_PLAIN_HTTP: "true",
    APP_ENVIRONMENT: "development",
    REGISTRATION: "open",
    LOG_LEVEL: "info",
    GLOBAL_RATE_LIMIT_PER_MINUTE: "0",
    ...UNLIMITED,
  };
}

interface Running {
  child: Subprocess<"ignore", "pipe", "pipe">;
  watcher: Subprocess;
  output(): string;
}

async function launch(
  command: string[],
  cwd: string,
  env: Record<string, string>,
  url: string,
  printed: string[],
): Promise<Running> {
  // The data folder as working folder: no env file of the developer's is picked up.
  const child = Bun.spawn(command, { cwd, env, stdout: "pipe", stderr: "pipe" });
  const running = { child, watcher: endWithThisProcess(child.pid), output: collect(child, printed) };
  const deadline = Date.now() + READY_WITHIN_MS;
  while (!(await isReady(url))) {
    if (isOver(child) || Date.now() > deadline) {
      const code = child.exitCode;
      await end(running, "SIGKILL");
      throw new Error(`the server did not become ready (exit code ${code}):\n${running.output()}`);
    }
    await Bun.sleep(25);
  }
  return running;
}

const isOver = (child: Subprocess) => child.exitCode !== null || child.signalCode !== null;

/** However the tests end, the server ends with them: the watcher notices by the end of its standard input. */
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

async function isReady(url: string): Promise<boolean> {
  try {
    const answer = await fetch(`${url}/health/ready`, { signal: AbortSignal.timeout(2_000) });
    await answer.text();
    return answer.status === 200;
  } catch {
    return false;
  }
}

/** Reads the output away, so that the server never blocks on it. @returns its end, for an error message */
function collect(child: Subprocess<"ignore", "pipe", "pipe">, printed: string[]): () => string {
  let text = "";
  const drain = async (stream: ReadableStream<Uint8Array>) => {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      const piece = decoder.decode(chunk, { stream: true });
      printed.push(piece);
      text = (text + piece).slice(-4_000);
    }
  };
  drain(child.stdout).catch(() => undefined);
  drain(child.stderr).catch(() => undefined);
  return () => text;
}

async function end({ child, watcher }: Running, signal: "SIGKILL" | "SIGTERM" | "SIGINT"): Promise<void> {
  watcher.kill("SIGKILL");
  if (isOver(child)) return;
  child.kill(signal);
  const late = setTimeout(() => child.kill("SIGKILL"), STOP_WITHIN_MS);
  await child.exited;
  clearTimeout(late);
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
