import { InterruptedError } from "../with-context.ts";

/** Numbers of the signals that end a command. Source: signal(7). */
const signals = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;

/**
 * Runs work that a signal ends: the work is told and comes to its end by itself. A second signal ends the process.
 * @throws InterruptedError when there was one, or what the work throws
 */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const listeners = Object.entries(signals).map(([name, number]) => {
    const message = "Stopped. What was there before is as it was.";
    const listener = () => controller.abort(new InterruptedError(message, 128 + number));
    process.once(name, listener);
    return { name, listener };
  });
  try {
    return await work(controller.signal);
  } catch (error) {
    throw controller.signal.aborted ? controller.signal.reason : error;
  } finally {
    for (const { name, listener } of listeners) process.off(name, listener);
  }
}
