import { spawn } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = join(import.meta.dir, "../..");

/** An ordinary user that every system has, where the tests run as root. */
export const ordinaryUser = process.geteuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};

export interface Outcome {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** The compiled program in a folder of its own, far from the sources and their packages. */
export interface BuiltProgram {
  readonly folder: string;
  readonly path: string;
  /** An empty folder that the ordinary user may write. */
  newFolder(): string;
  remove(): void;
}

/** Compiles the sources as they are now. */
export async function buildProgram(): Promise<BuiltProgram> {
  const folder = mkdtempSync(join(tmpdir(), "trailglass-binary-"));
  chmodSync(folder, 0o755);
  const args = [process.execPath, join(root, "scripts/build.ts"), "--into", folder];
  const build = Bun.spawn(args, { cwd: root, stdout: "pipe", stderr: "pipe" });
  const said = await Promise.all([build.stdout.text(), build.stderr.text()]);
  if ((await build.exited) !== 0) throw new Error(`the build failed:\n${said.join("\n")}`);
  const newFolder = () => {
    const made = mkdtempSync(join(folder, "data-"));
    if (ordinaryUser.uid) chownSync(made, ordinaryUser.uid, ordinaryUser.gid);
    return made;
  };
  const remove = () => rmSync(folder, { recursive: true, force: true });
  return { folder, path: join(folder, "trailglass"), newFolder, remove };
}

/** A working folder with files that Bun itself would obey: none of it is the server's configuration. */
export function alienFolder(parent: string): string {
  const folder = join(parent, "alien");
  mkdirSync(folder);
  writeFileSync(join(folder, ".env"), "APP_PORT=nonsense\nDATABASE_URL=nonsense\nBUN_JSC_useJIT=0\n");
  writeFileSync(join(folder, "bunfig.toml"), 'preload = ["./alien.ts"]\n');
  writeFileSync(join(folder, "alien.ts"), 'throw new Error("preloaded");\n');
  return folder;
}

export interface Started {
  readonly pid: number;
  readonly ended: Promise<Outcome>;
  kill(signal: NodeJS.Signals): void;
}

/** Starts a command as the ordinary user, with nothing of this process's environment. */
export function start(command: readonly string[], cwd: string, env: Record<string, string> = {}): Started {
  const [program = "", ...args] = command;
  const options = { cwd, env: { PATH: process.env.PATH ?? "", ...env }, ...ordinaryUser };
  const child = spawn(program, args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
  const said = { out: "", err: "" };
  child.stdout.setEncoding("utf8").on("data", (text) => (said.out += text));
  child.stderr.setEncoding("utf8").on("data", (text) => (said.err += text));
  const ended = new Promise<Outcome>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, ...said }));
  });
  return { pid: child.pid ?? 0, ended, kill: (signal) => child.kill(signal) };
}

export interface Server extends Started {
  readonly url: string;
  stop(): Promise<Outcome>;
}

/** Starts `serve` on a data folder, and waits until it is ready. */
export async function serve(command: readonly string[], cwd: string, dataDir: string): Promise<Server> {
  const port = await freePort();
  const started = start([...command, "serve"], cwd, {
    DATA_DIR: dataDir,
    APP_HOST: "127.0.0.1",
    APP_PORT: String(port),
    ALLOW_PLAIN_HTTP: "true",
    REGISTRATION: "open",
    RATE_LIMIT_AUTH: "0",
    RATE_LIMIT_SYNC: "0",
    RATE_LIMIT_DEFAULT: "0",
    GLOBAL_RATE_LIMIT_PER_MINUTE: "0",
  });
  const url = `http://127.0.0.1:${port}`;
  const early = started.ended.then(({ out, err }) => {
    throw new Error(`the server ended:\n${out}${err}`);
  });
  await Promise.race([early, untilReady(url)]);
  const stop = () => {
    early.catch(() => {});
    started.kill("SIGTERM");
    return started.ended;
  };
  return { ...started, url, stop };
}

async function untilReady(url: string): Promise<void> {
  for (;;) {
    const answer = await fetch(`${url}/health/ready`).catch(() => undefined);
    if (answer?.status === 200) return;
    await Bun.sleep(20);
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer().on("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => (address && typeof address === "object" ? resolve(address.port) : reject()));
    });
  });
}
