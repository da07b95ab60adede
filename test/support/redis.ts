import { createServer } from "node:net";
import type { Subprocess } from "bun";

/** A Redis of a test's own, on a port that it keeps. */
export interface TestRedis {
  readonly url: string;
  /** Its answer to a command, as `redis-cli` prints it. */
  run(...command: string[]): Promise<string>;
  kill(): Promise<void>;
  start(): Promise<void>;
  /** It neither answers nor hangs up until it goes on. */
  hang(): void;
  goOn(): void;
}

/** Milliseconds in which it has to answer. */
const patience = 20_000;

/** The program, where there is one: `scripts/ensure-redis.sh` gets it. */
const findRedis = (): string | null => Bun.which("redis-server");

/** Whether there is one to test against: tests that need it are skipped where there is none. */
export const hasRedis = (): boolean => findRedis() !== null;

/** Whether there must be one, lest it goes untested without anybody noticing. */
export const needsRedis = (): boolean =>
  /^(1|true)$/i.test(process.env.TEST_REQUIRE_REDIS || process.env.CI || "");

/** Starts one that keeps nothing on disk. It ends with this process, however that ends. */
export async function startRedis(): Promise<TestRedis> {
  const program = findRedis();
  if (program === null) throw new Error("there is no Redis to test with: run scripts/ensure-redis.sh");
  const port = await freePort();
  let child: Subprocess | undefined;
  const redis: TestRedis = {
    url: `redis://127.0.0.1:${port}`,
    run: (...command) => Bun.$`redis-cli -p ${port} ${command}`.quiet().text(),
    async start() {
      child = Bun.spawn(
        [program, "--port", `${port}`, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
        {
          stdout: "ignore",
          stderr: "ignore",
        },
      );
      endWithThisProcess(child.pid);
      await untilItAnswers(redis);
    },
    async kill() {
      child?.kill("SIGKILL");
      await child?.exited;
    },
    hang: () => child?.kill("SIGSTOP"),
    goOn: () => child?.kill("SIGCONT"),
  };
  await redis.start();
  return redis;
}

async function untilItAnswers(redis: TestRedis): Promise<void> {
  for (const deadline = Date.now() + patience; ; await Bun.sleep(20)) {
    const answer = await redis.run("PING").catch(() => "");
    if (answer.trim() === "PONG") return;
    if (Date.now() > deadline) throw new Error("Redis did not start");
  }
}

/** The watcher notices by the end of its standard input: `bun test` fires no exit event. */
function endWithThisProcess(pid: number): void {
  const script = 'trap "" INT TERM HUP; cat >/dev/null; kill -KILL "$1" 2>/dev/null';
  Bun.spawn(["sh", "-c", script, "sh", String(pid)], {
    stdin: "pipe",
    stdout: "ignore",
    stderr: "ignore",
  }).unref();
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
