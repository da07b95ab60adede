import { readFileSync } from "node:fs";
import type { Server } from "bun";
import type { Config } from "../config/config.ts";
import { AppError } from "../errors.ts";
import type { Log } from "../log.ts";
import { errorResponse, logError, toAppError } from "./error-response.ts";
import { findClient } from "./proxy.ts";
import { bulkBody } from "./read.ts";
import { type RequestState, type RequestStates, requestIdOf } from "./request-state.ts";

export interface ServerParts {
  readonly config: Config;
  readonly log: Log;
  readonly requests: RequestStates;
  /** Answers a request; throws for nothing but defects. */
  readonly handle: (request: Request) => Promise<Response>;
}

export interface RunningServer {
  readonly url: string;
  /** Stops accepting, lets requests under way finish for up to `seconds`, then cuts off what is left. */
  stop(seconds?: number): Promise<void>;
}

/** The address could not be listened on. The message names it and says why. */
export class ListenError extends Error {}

const healthPath = /^(\/api\/v1)?\/health(\/|$)/;

function requireHttps({ config }: ServerParts, path: string, { client }: RequestState): void {
  // Health carries no secrets, and whoever probes it stands beside the server.
  if (config.allowPlainHttp || client.secure || healthPath.test(path)) return;
  throw new AppError("HTTPS_REQUIRED", "Use https://; over plain HTTP anyone on the way could read this");
}

async function answer(
  parts: ServerParts,
  request: Request,
  path: string,
  state: RequestState,
): Promise<Response> {
  try {
    requireHttps(parts, path, state);
    return await parts.handle(request);
  } catch (error) {
    const told = toAppError(error);
    logError(parts.log, error, told, state.id);
    return errorResponse(told, state.id);
  }
}

function finish(response: Response, path: string, state: RequestState): Response {
  response.headers.set("X-Request-ID", state.id);
  response.headers.set("X-Content-Type-Options", "nosniff");
  if (path.startsWith("/api/") && !response.headers.has("Cache-Control")) {
    response.headers.set("Cache-Control", "no-store");
  }
  if (state.client.secure) response.headers.set("Strict-Transport-Security", "max-age=31536000");
  return response;
}

/** The way of every request: id, client, HTTPS, the application, common headers, one line in the log. */
function createFetch(parts: ServerParts) {
  const { config, log, requests } = parts;
  return async (request: Request, server: Server<undefined>): Promise<Response> => {
    const startedAt = performance.now();
    const peer = server.requestIP(request)?.address ?? "";
    const client = findClient(request.headers, peer, config.tlsCertFile !== undefined, config.trustedProxies);
    const state: RequestState = { id: requestIdOf(request.headers), client };
    requests.set(request, state);
    const path = new URL(request.url).pathname;
    const response = finish(await answer(parts, request, path, state), path, state);
    log.info(
      {
        requestId: state.id,
        ...(state.accountId && { accountId: state.accountId }),
        method: request.method,
        path,
        status: response.status,
        durationMs: Math.round((performance.now() - startedAt) * 10) / 10,
      },
      "request",
    );
    return response;
  };
}

function explain(error: unknown, { host, port }: Config): ListenError {
  const code = (error as { code?: string }).code;
  if (code === "EADDRINUSE") {
    return new ListenError(
      `Port ${port} on ${host} is taken by another program. Stop it, or set APP_PORT to another port.`,
    );
  }
  if (code === "EACCES")
    return new ListenError(`Port ${port} may only be used by root. Set APP_PORT to 1024 or above.`);
  return new ListenError(`Cannot listen on ${host}:${port} (${code ?? (error as Error).message}).`);
}

/**
 * Starts to listen.
 * @throws ListenError when the port is taken or not allowed.
 */
export function listen(parts: ServerParts): RunningServer {
  const { config } = parts;
  let server: Server<undefined>;
  try {
    server = Bun.serve({
      hostname: config.host,
      port: config.port,
      // A second copy must fail, not share the port and steal half of the requests.
      reusePort: false,
      // Seconds without a byte in either direction; a slow phone on a bad line is no reason to hang up.
      idleTimeout: 120,
      maxRequestBodySize: bulkBody + 1024,
      fetch: createFetch(parts),
      ...(config.tlsCertFile &&
        config.tlsKeyFile && {
          tls: { cert: readFileSync(config.tlsCertFile), key: readFileSync(config.tlsKeyFile) },
        }),
    });
  } catch (error) {
    throw explain(error, config);
  }
  return {
    url: server.url.href.replace(/\/$/, ""),
    async stop(seconds = 10) {
      await Promise.race([server.stop(), Bun.sleep(seconds * 1000)]);
      await server.stop(true);
    },
  };
}
