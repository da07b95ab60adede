import { existsSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

/** A server that speaks S3, and how to sign in. */
export interface S3Server {
  readonly endpoint: string;
  readonly accessKey: string;
  readonly secretKey: string;
  readonly region: string;
  /** Process that can be stopped for a while; none where the server is not ours. */
  readonly pid?: number;
}

/** Milliseconds within which a server has to become healthy. */
const patience = 60_000;

/** The program, where there is one: `scripts/ensure-minio.sh` gets it. */
export function findMinio(): string | null {
  const own = resolve(import.meta.dir, "../../.tools/bin/minio");
  return Bun.which("minio") ?? (existsSync(own) ? own : null);
}

/** Starts a server on a free port, with a folder that goes with it. It ends with this process, however that ends. */
export async function startMinio(program: string): Promise<S3Server & { readonly pid: number }> {
  const folder = await mkdtemp(join(tmpdir(), "tg-minio-"));
  const [accessKey, secretKey] = [crypto.randomUUID(), crypto.randomUUID()];
  const address = `127.0.0.1:${await freePort()}`;
  const server = Bun.spawn([program, "server", "--quiet", "--address", address, join(folder, "data")], {
    cwd: folder,
    env: environment(folder, accessKey, secretKey),
    stdout: "ignore",
    stderr: Bun.file(join(folder, "log")),
  });
  server.unref();
  endWithThisProcess(server.pid, folder);
  const endpoint = `http://${address}`;
  for (const deadline = Date.now() + patience; !(await isHealthy(endpoint)); await Bun.sleep(50)) {
    if (server.exitCode === null && Date.now() < deadline) continue;
    throw new Error(`MinIO did not start: ${await Bun.file(join(folder, "log")).text()}`);
  }
  return { endpoint, accessKey, secretKey, region: "us-east-1", pid: server.pid };
}

/** Without what nobody looks at, and with as little memory as it can do with. */
function environment(folder: string, accessKey: string, secretKey: string): Record<string, string> {
  return {
    HOME: folder,
    PATH: "/usr/bin:/bin",
    MINIO_ROOT_USER: accessKey,
    MINIO_ROOT_PASSWORD: secretKey,
    MINIO_BROWSER: "off",
    MINIO_UPDATE: "off",
    // Takes a folder on the system's disk, too.
    MINIO_CI_CD: "on",
    GOMEMLIMIT: "160MiB",
    GOGC: "50",
  };
}

/** The watcher notices by the end of its standard input: `bun test` fires no exit event. */
function endWithThisProcess(pid: number, folder: string): void {
  const script =
    'trap "" INT TERM HUP; cat >/dev/null; kill -KILL "$1" 2>/dev/null; while kill -0 "$1" 2>/dev/null; do sleep 0.1; done; rm -rf "$2"';
  Bun.spawn(["sh", "-c", script, "sh", String(pid), folder], {
    stdin: "pipe",
    stdout: "ignore",
    stderr: "ignore",
  }).unref();
}

async function isHealthy(endpoint: string): Promise<boolean> {
  try {
    return (await fetch(`${endpoint}/minio/health/ready`, { signal: AbortSignal.timeout(2_000) })).ok;
  } catch {
    return false;
  }
}

function freePort(): Promise<number> {
  return new Promise((done, fail) => {
    const probe = createServer();
    probe.on("error", fail);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => (address && typeof address === "object" ? done(address.port) : fail()));
    });
  });
}
