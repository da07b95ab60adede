import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { program } from "./program.ts";

export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** A folder of a test's own, below which setup puts everything. */
export interface Place {
  readonly folder: string;
  readonly envFile: string;
  readonly dataDir: string;
  /** Runs setup without a terminal. */
  setup(args: readonly string[], input?: string): Promise<Outcome>;
  /** Runs any command of the program with the env file. */
  run(args: readonly string[], input?: string): Promise<Outcome>;
  /** Starts setup, or another command, at a terminal. */
  atTerminal(args: readonly string[]): Terminal;
  remove(): void;
}

/** A person's screen and keyboard. */
export interface Terminal {
  /** Waits until words stand on the screen after those that were waited for before. */
  see(words: string): Promise<void>;
  /** Types text, and then the return key. */
  answer(text?: string): Promise<void>;
  press(keys: string): void;
  /** Everything that was on the screen, colours and all. */
  screen(): string;
  /** The exit code. */
  readonly ended: Promise<number>;
  signal(name: "SIGINT" | "SIGTERM"): void;
  /** The terminal goes away, as when its window is closed. */
  hangUp(): void;
  close(): void;
}

/** Nothing of the developer's environment. */
const surroundings = { PATH: process.env.PATH ?? "", TERM: "xterm" };

async function run(folder: string, args: readonly string[], input: string): Promise<Outcome> {
  const child = Bun.spawn([...program, ...args], {
    cwd: folder,
    env: surroundings,
    stdin: new Blob([input]),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  return { code: await child.exited, out, err };
}

/** Milliseconds for which words are waited for. */
const patience = 45_000;

function openTerminal(folder: string, args: readonly string[]): Terminal {
  const state = { screen: "", seen: 0 };
  const child = Bun.spawn([...program, ...args], {
    cwd: folder,
    env: surroundings,
    terminal: {
      cols: 100,
      rows: 40,
      data(_terminal, data) {
        state.screen += new TextDecoder().decode(data);
      },
    },
  });
  const press = (keys: string) => void child.terminal?.write(keys);
  return {
    async see(words) {
      const deadline = Date.now() + patience;
      while (!state.screen.includes(words, state.seen)) {
        if (child.exitCode !== null || Date.now() > deadline)
          throw new Error(`no "${words}" on the screen:\n${state.screen.slice(-2000)}`);
        await Bun.sleep(10);
      }
      state.seen = state.screen.indexOf(words, state.seen) + words.length;
      // A prompt listens as soon as it has drawn itself.
      await Bun.sleep(30);
    },
    async answer(text = "") {
      if (text !== "") {
        press(text);
        await Bun.sleep(30);
      }
      press("\r");
    },
    press,
    screen: () => state.screen,
    ended: child.exited,
    signal: (name) => child.kill(name),
    hangUp: () => child.terminal?.close(),
    close: () => child.kill("SIGKILL"),
  };
}

/** Makes a place for one test. */
export function makePlace(): Place {
  const folder = mkdtempSync(join(tmpdir(), "trailglass-setup-"));
  Bun.spawnSync(["chmod", "755", folder]);
  const envFile = join(folder, "etc/trailglass.env");
  const all = (args: readonly string[]) => [...args, "--config", envFile];
  return {
    folder,
    envFile,
    dataDir: join(folder, "data"),
    setup: (args, input = "") => run(folder, all(["setup", "--no-service", ...args]), input),
    run: (args, input = "") => run(folder, all(args), input),
    atTerminal: (args) => openTerminal(folder, all(args)),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** A port that nothing listens on for now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.on("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => (address && typeof address === "object" ? resolve(address.port) : reject()));
    });
  });
}
