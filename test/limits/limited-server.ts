import { createApp } from "../../src/app.ts";
import type { Config } from "../../src/config/config.ts";
import type { Rate } from "../../src/config/rate.ts";
import { listen } from "../../src/http/server.ts";
import { Limits } from "../../src/limits/limits.ts";
import { requester, type TestServer } from "../support/test-server.ts";

/** So many requests in a window that no test sees the end of. */
export const perHour = (requests: number): Rate => ({ requests, seconds: 3600 });

/** A second server in front of the same database, with limits of its own that begin anew. */
export function limitedServer(base: TestServer, settings: Partial<Config>): TestServer {
  const config = { ...base.config, ...settings };
  const { log } = base.context;
  const secret = async () => new TextEncoder().encode("the secret of every server in the test");
  const context = { ...base.context, config, limits: new Limits({ config, log, secret }) };
  const app = createApp(context);
  const server = listen({ ...context, handle: (request) => app.handle(request) });
  return {
    ...base,
    url: server.url,
    config,
    context,
    request: requester(server.url),
    async stop() {
      await server.stop();
      context.limits.close();
    },
  };
}
