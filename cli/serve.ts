import { createApp } from "../src/app.ts";
import { createContext } from "../src/context.ts";
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

/** `trailglass serve`: runs until it is told to stop; then drains requests, and stops the database last. */
export async function serve(options: GlobalOptions): Promise<void> {
  const config = loadConfig(options.config);
  const { asked, fail } = untilAskedToStop();
  const context = await createContext(config, { onFatal: fail });
  try {
    const app = createApp(context);
    const server = listen({ ...context, handle: (request) => app.handle(request) });
    context.log.info({ url: server.url }, "listening");
    try {
      context.log.info({ signal: await asked }, "stopping");
    } finally {
      await server.stop();
    }
  } finally {
    await context.dispose();
  }
  context.log.info("stopped");
}
