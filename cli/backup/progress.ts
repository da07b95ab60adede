import type { BackupProgress } from "../../src/backup/progress.ts";
import { inWords } from "../progress-bar.ts";
import { isInteractive } from "../terminal.ts";
import { interruptible } from "./interruption.ts";

/** Milliseconds between two lines in a log. */
const lineEvery = 10_000;

/** How far the step under way has come. */
interface Step {
  readonly name: string;
  readonly total: number | undefined;
  readonly items: number | undefined;
  bytes: number;
  done: number;
}

const whole = new Intl.NumberFormat("en");

/** `Copying pictures: 1,200 of 2,000 (3.1 of 5.0 GB)`, as much of it as is known. */
function told({ name, total, items, bytes, done }: Step): string {
  if (done === 0 && bytes === 0) return name;
  const counted = items === undefined ? "" : `: ${whole.format(done)} of ${whole.format(items)}`;
  const of = total === undefined ? "" : ` of ${inWords(total)}`;
  return `${name}${counted} (${inWords(bytes)}${of})`;
}

/** What shows a step to somebody. */
interface Display {
  begin(step: Step): void;
  advance(step: Step, bytes: number): void;
  end(): void;
}

/** For logs and pipes, on standard error: what is printed stays what was asked for. */
function lines(): Display {
  let due = 0;
  const say = (step: Step) => {
    due = Date.now() + lineEvery;
    console.error(told(step));
  };
  return {
    begin: say,
    advance: (step) => {
      if (Date.now() >= due) say(step);
    },
    end: () => {},
  };
}

async function bars(): Promise<Display> {
  const { progress } = await import("@clack/prompts");
  let bar: ReturnType<typeof progress> | undefined;
  return {
    begin(step) {
      bar?.clear();
      bar = progress({ max: Math.max(step.total ?? 1, 1), size: 20, withGuide: false });
      bar.start(told(step));
      // A prompt would end the process at Ctrl-C, whatever is half done; without one it is a signal like any other.
      if (process.stdin.isTTY) process.stdin.setRawMode(false);
    },
    advance: (step, bytes) => bar?.advance(bytes, told(step)),
    end: () => bar?.clear(),
  };
}

const silent: Display = { begin() {}, advance() {}, end() {} };

/**
 * Shows how far work has come: a bar on a terminal, now and then a line elsewhere, nothing when quiet. A signal ends the
 * work where it next says how far it has come, or sooner when it looks at the signal itself.
 * @throws InterruptedError, or what the work throws
 */
export async function withBackupProgress<T>(
  quiet: boolean,
  work: (progress: BackupProgress, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const display = quiet ? silent : isInteractive() ? await bars() : lines();
  try {
    return await interruptible((signal) => work(toldTo(display, signal), signal));
  } finally {
    display.end();
  }
}

function toldTo(display: Display, signal: AbortSignal): BackupProgress {
  let step: Step = { name: "", total: undefined, items: undefined, bytes: 0, done: 0 };
  return {
    begin(name, total, items) {
      signal.throwIfAborted();
      step = { name, total, items, bytes: 0, done: 0 };
      display.begin(step);
    },
    advance(bytes) {
      signal.throwIfAborted();
      step.bytes += bytes;
      step.done++;
      display.advance(step, bytes);
    },
  };
}
