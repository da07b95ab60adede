import type { Progress } from "../src/storage/check.ts";
import { isInteractive } from "./terminal.ts";
import { CommandError } from "./with-context.ts";

/** Exit code of a command that was broken off by Ctrl-C, as shells have it. */
const interrupted = 130;

const units = ["bytes", "kB", "MB", "GB", "TB"] as const;

/** Bytes for people: `3.4 MB`. */
export function inWords(bytes: number): string {
  const power = bytes < 1000 ? 0 : Math.min(Math.floor(Math.log10(bytes) / 3), units.length - 1);
  return `${power === 0 ? bytes : (bytes / 1000 ** power).toFixed(1)} ${units[power]}`;
}

/** `1 picture`, `2 pictures`. */
export const count = (number: number, noun: string) => `${number} ${noun}${number === 1 ? "" : "s"}`;

const silent: Progress = { begin() {}, advance() {} };

async function openBar(title: string) {
  const { progress } = await import("@clack/prompts");
  const state = { done: 0, bytes: 0, total: 0, of: 0, cancelled: false };
  const open = (max: number) =>
    progress({ max, size: 24, withGuide: false, onCancel: () => Object.assign(state, { cancelled: true }) });
  let bar: ReturnType<typeof open> | undefined;
  // No longer than a narrow terminal is wide.
  const told = () =>
    `${title} ${state.done} of ${state.total}, ${inWords(state.bytes)} of ${inWords(state.of)}`;
  const shown: Progress = {
    begin({ originals, avatars, exports, bytes }) {
      Object.assign(state, { total: originals + avatars + exports, of: bytes });
      bar = open(Math.max(bytes, 1));
      bar.start(told());
    },
    advance(bytes) {
      if (state.cancelled) throw new CommandError("Stopped.");
      state.done++;
      state.bytes += bytes;
      bar?.advance(bytes, told());
    },
  };
  return { shown, close: () => bar?.clear() };
}

/** A prompt's Ctrl-C ends the process as if all were well. */
function failOnExit(): void {
  process.exitCode = interrupted;
}

/**
 * Shows a bar on a terminal while work goes on, and nothing elsewhere.
 * @param title what is being done
 */
export async function withProgress<T>(
  title: string,
  quiet: boolean,
  work: (progress: Progress) => Promise<T>,
): Promise<T> {
  if (quiet || !isInteractive()) return work(silent);
  const bar = await openBar(title);
  process.on("exit", failOnExit);
  try {
    return await work(bar.shown);
  } finally {
    process.off("exit", failOnExit);
    bar.close();
  }
}
