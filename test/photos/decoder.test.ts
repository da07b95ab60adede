import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, readdir, rm, stat, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TooMuch, TooSlow } from "../../src/images/unreadable.ts";
import { Decoder } from "../../src/photos/previews/decoder.ts";
import { quadrantsPng, whitePng } from "../support/png.ts";

let folder: string;
let decoder: Decoder;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "decoder-"));
  decoder = new Decoder();
});
afterEach(async () => {
  await decoder[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

/** Takes a second or so. */
const slow = whitePng(6000, 6000);

async function save(name: string, bytes: Uint8Array): Promise<string> {
  const path = join(folder, name);
  await Bun.write(path, bytes);
  return path;
}

/** Has a picture decoded. @returns how it ended, and the path of what came of it */
async function decode(source: string, places: 1 | 2 = 1, signal = new AbortController().signal) {
  const path = join(folder, crypto.randomUUID());
  const targets = [{ edge: 64, type: null, path }];
  const ended = await decoder.run({ places, urgent: true, signal }, (ask) =>
    ask({ source, targets }, async () => {}),
  );
  return { ended, path };
}

const read = (pid: number, file: string) => readFileSync(`/proc/${pid}/${file}`, "latin1");

/** Processes that decode for another, by their ids. */
function decodersOf(parent: number): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const [state, above] = read(pid, "stat").split(") ").at(-1)?.split(" ") ?? [];
        return Number(above) === parent && state !== "Z" && read(pid, "cmdline").includes("decode-pictures");
      } catch {
        return false;
      }
    });
}
const mine = () => decodersOf(process.pid);

async function until(isSo: () => boolean, within = 5000): Promise<void> {
  for (const end = Date.now() + within; !isSo(); await Bun.sleep(5)) {
    if (Date.now() > end) throw new Error("waited in vain");
  }
}

async function busyDecoder(work: Promise<unknown>): Promise<number> {
  work.catch(() => {});
  await until(() => mine().length === 1);
  await Bun.sleep(150);
  return mine()[0] as number;
}

describe("a process", () => {
  test("is kept for the next picture, and ended when none comes", async () => {
    await using brief = new Decoder({ idle: 100 });
    decoder = brief;
    const png = await save("png", quadrantsPng(64, 48));
    const { path } = await decode(png);
    const [pid] = mine();
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await decode(png)).ended).toBe("done");
    expect(mine()).toEqual([pid as number]);
    await until(() => mine().length === 0);
  });

  test("knows nothing of the server's surroundings, and steps back", async () => {
    process.env.DECODER_TEST_SECRET = "hunter2";
    await decode(await save("png", slow), 1);
    delete process.env.DECODER_TEST_SECRET;
    await decode(await save("small", quadrantsPng(64, 48)));
    const [pid = 0] = mine();
    expect(read(pid, "environ").split("\0").filter(Boolean)).toEqual(["BUN_FEATURE_FLAG_NO_ORPHANS=1"]);
    expect(read(pid, "oom_score_adj").trim()).toBe("900");
    const nice = (task: string) => Number(read(pid, `task/${task}/stat`).split(") ").at(-1)?.split(" ")[16]);
    expect(readdirSync(`/proc/${pid}/task`).filter((task) => nice(task) !== 10)).toEqual([]);
  });

  test("does not outlive a large picture", async () => {
    const large = await save("large", whitePng(7000, 6000));
    expect((await decode(large)).ended).toBe("large");
    expect((await decode(large, 2)).ended).toBe("done");
    expect(mine()).toEqual([]);
  }, 30_000);

  test("makes the smaller picture also when the larger one has been taken away", async () => {
    const source = await save("png", quadrantsPng(900, 700));
    const targets = [512, 64].map((edge) => ({ edge, type: null, path: join(folder, `made-${edge}`) }));
    // Taken by somebody who does not wait to be told.
    const taking = until(() => readdirSync(folder).includes("made-512")).then(() =>
      rm(join(folder, "made-512")),
    );
    const turn = { places: 1, urgent: true, signal: new AbortController().signal } as const;
    expect(await decoder.run(turn, (ask) => ask({ source, targets }, async () => {}))).toBe("done");
    await taking;
  });

  test("ends when its input does", async () => {
    const main = join(import.meta.dir, "../../cli/main.ts");
    const child = Bun.spawn([process.execPath, main, "decode-pictures"], { stdin: "pipe", stdout: "ignore" });
    await Bun.sleep(200);
    expect(child.exitCode).toBeNull();
    await child.stdin.end();
    expect(await child.exited).toBe(0);
  });

  test("tells of a file that is not there", async () => {
    expect((await decode(join(folder, "none"))).ended).toBe("gone");
  });
});

test("two at once at most", async () => {
  const png = await save("png", quadrantsPng(1200, 900));
  let most = 0;
  const timer = setInterval(() => {
    most = Math.max(most, mine().length);
  }, 5);
  await Promise.all(Array.from({ length: 12 }, () => decode(png)));
  clearInterval(timer);
  expect(most).toBe(2);
});

describe("trouble", () => {
  test("a process that takes too long is killed, and the next picture has another", async () => {
    await using strict = new Decoder({ deadline: 700 });
    decoder = strict;
    const png = await save("png", quadrantsPng(64, 48));
    await decode(png);
    const [pid = 0] = mine();
    process.kill(pid, "SIGSTOP");
    await expect(decode(png)).rejects.toBeInstanceOf(TooSlow);
    expect(mine()).toEqual([]);
    expect((await decode(png)).ended).toBe("done");
    expect(mine()).not.toContain(pid);
  });

  test("a process that dies takes its picture along, and no other", async () => {
    const picture = decode(await save("slow", slow));
    process.kill(await busyDecoder(picture), "SIGKILL");
    const error = await picture.catch((reason) => reason);
    expect(error).toBeInstanceOf(TooMuch);
    expect(error).not.toBeInstanceOf(TooSlow);
    const png = await save("png", quadrantsPng(64, 48));
    expect((await decode(png)).ended).toBe("done");
    // One that died while it had nothing to do is no picture's fault.
    for (const pid of mine()) process.kill(pid, "SIGKILL");
    expect((await decode(png)).ended).toBe("done");
  });

  test("who is told to stop does so at once, also in line", async () => {
    const source = await save("slow", slow);
    const stopping = new AbortController();
    const all = [1, 2, 3, 4].map(() => decode(source, 1, stopping.signal));
    const settled = Promise.allSettled(all);
    await until(() => mine().length === 2);
    stopping.abort(new Error("enough"));
    const began = performance.now();
    for (const { status } of await settled) expect(status).toBe("rejected");
    expect(performance.now() - began).toBeLessThan(500);
    expect(mine()).toEqual([]);
  });

  test("none is left after the end, busy or not", async () => {
    await decode(await save("png", quadrantsPng(64, 48)));
    const busy = decode(await save("slow", slow)).catch((error) => error.status);
    const other = decode(await save("slow too", slow)).catch((error) => error.status);
    await until(() => mine().length === 2);
    await decoder[Symbol.asyncDispose]();
    expect(mine()).toEqual([]);
    expect(await Promise.all([busy, other])).toEqual([503, 503]);
  });

  test("none outlives a server that is killed, not even one that computes without end", async () => {
    const script = join(import.meta.dir, "../../src/photos/previews/decoder.ts");
    const png = await save("png", quadrantsPng(64, 48));
    const target = { edge: 64, type: null, path: join(folder, "made") };
    const server = Bun.spawn(
      [
        process.execPath,
        "-e",
        `const { Decoder } = await import(${JSON.stringify(script)});
         const turn = { places: 1, urgent: true, signal: new AbortController().signal };
         await new Decoder().run(turn, (decode) => decode(${JSON.stringify({ source: png, targets: [target] })}, async () => {}));
         console.log("made"); setInterval(() => {}, 1000);`,
      ],
      { stdout: "pipe", stderr: "inherit" },
    );
    await server.stdout.getReader().read();
    const left = decodersOf(server.pid);
    expect(left).toHaveLength(1);
    // It hears of nothing any more.
    for (const pid of left) process.kill(pid, "SIGSTOP");
    server.kill("SIGKILL");
    await server.exited;
    const isThere = (pid: number) => {
      try {
        return !/\) [ZX] /.test(read(pid, "stat"));
      } catch {
        return false;
      }
    };
    await until(() => !left.some(isThere));
  });
});

test("the server's own memory stays flat, however large the files are", async () => {
  const jpeg = await new Bun.Image(quadrantsPng(400, 300)).jpeg().bytes();
  const sources: string[] = [];
  for (let n = 0; n < 10; n++) {
    const path = await save(`large-${n}`, jpeg);
    await truncate(path, 50_000_000);
    sources.push(path);
  }
  await decode(sources[0] as string);
  Bun.gc(true);
  const before = process.memoryUsage.rss();
  let highest = before;
  const timer = setInterval(() => {
    highest = Math.max(highest, process.memoryUsage.rss());
  }, 5);
  await Promise.all([...sources, ...sources].map((source) => decode(source)));
  clearInterval(timer);
  expect((highest - before) / 1e6).toBeLessThan(30);
  expect((await readdir(folder)).length).toBe(31);
}, 60_000);
