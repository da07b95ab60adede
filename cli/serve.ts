import { createApp } from "../src/app.ts";
import type { Config } from "../src/config/config.ts";
import { type Context, createContext } from "../src/context.ts";
import { configuredTarget } from "../src/database/open.ts";
import { listen } from "../src/http/server.ts";
import { loadConfig } from "./environment.ts";
import type { GlobalOptions } from "./with-context.ts";

/** Resolves with the name of the first signal that asks the server to end, or rejects with what made it impossible to go on. */
function untilAskedToStop(): { asked: Promise<string>; fail: (error: Error) => void } {
  const { promise: asked, resolve, reject } = Promise.withResolvers<string>();
  // Kept for good: a second signal must not cut off the first one's clean stop, which is bounded anyway.
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => resolve(signal));
  return { asked, fail: reject };
}

/** Builds everything; null when told to stop while that takes its time, as with a database that is not there yet. */
async function open(
  config: Config,
  { asked, fail }: ReturnType<typeof untilAskedToStop>,
): Promise<Context | null> {
  const opening = createContext(config, { onFatal: fail, listens: true });
  const context = await Promise.race([
    opening,
    asked.then(
      () => null,
      () => opening,
    ),
  ]);
  // A configured database goes on by itself; the embedded one has to be stopped, and first to have come up.
  if (context === null && configuredTarget(config) === null) await (await opening).dispose();
  opening.catch(() => {});
  return context;
}

/** What the server can do without for now, but its owner should hear of. */
async function sayWhatIsAmiss({ config, address, storage, log }: Context): Promise<void> {
  if (!config.publicUrl && config.environment === "production")
    log.warn({ url: address.base }, "PUBLIC_URL is not set: links to pictures lead where phones may not get");
  try {
    await storage.probe();
  } catch (error) {
    log.error({ err: error }, `pictures can neither be stored nor shown: ${(error as Error).message}`);
  }
}

/** `trailglass serve`: runs until it is told to stop; then drains requests, and stops the database last. */
export async function serve(options: GlobalOptions): Promise<void> {
  const config = loadConfig(options.config);
  const stop = untilAskedToStop();
  const context = await open(config, stop);
  if (context === null) return;
  try {
    const app = createApp(context, { scheduled: true });
    const server = listen({ ...context, handle: (request) => app.handle(request) });
    context.address.listening(server.url);
    context.log.info({ url: server.url }, "listening");
    context.worker.start();
    void sayWhatIsAmiss(context);
    try {
      context.log.info({ signal: await stop.asked }, "stopping");
    } finally {
      await server.stop();
    }
  } finally {
    await context.dispose();
  }
  context.log.info("stopped");
}
