import { readFileSync } from "node:fs";
import { createSecureContext } from "node:tls";
import type { Server } from "bun";
import type { Config } from "../config/config.ts";
import { AppError } from "../errors.ts";
import type { Log } from "../log.ts";
import { type Answered, lineOf } from "./answered.ts";
import { errorResponse, logError, toAppError } from "./error-response.ts";
import { healthPath } from "./health-path.ts";
import { isFromOwnMachine } from "./own-machine.ts";
import { type Client, findClient } from "./proxy.ts";
import { bulkBody } from "./read.ts";
import { type RequestState, type RequestStates, requestIdOf, type Tally } from "./request-state.ts";
import { type Patience, patienceFor, UnreadBodies } from "./unread-body.ts";

export interface ServerParts {
  readonly config: Config;
  readonly log: Log;
  readonly requests: RequestStates;
  readonly limits: { open(client: Client, path: string): Tally };
  /** Answers a request; throws for nothing but defects. */
  readonly handle: (request: Request) => Promise<Response>;
  /** Told of every request once it is answered. */
  readonly onAnswered?: ((answered: Answered) => void) | undefined;
  /** With bodies of requests that are answered before they were read. */
  readonly patience?: Patience;
}

export interface RunningServer {
  readonly url: string;
  /** Stops accepting, lets requests under way finish for up to `seconds`, then cuts off what is left. */
  stop(seconds?: number): Promise<void>;
}

/** The address could not be listened on. The message names it and says why. */
export class ListenError extends Error {}

function requireHttps({ config }: ServerParts, request: Request, path: string, state: RequestState): void {
  // Health carries no secrets, and whoever probes it stands beside the server.
  if (config.allowPlainHttp || state.client.secure || healthPath.test(path)) return;
  // A Prometheus on this machine asks over loopback, where nobody reads along.
  if (config.metricsEnabled && path === config.metricsPath && isFromOwnMachine(request.headers, state.peer))
    return;
  throw new AppError("HTTPS_REQUIRED", "Use https://; over plain HTTP anyone on the way could read this");
}

async function answer(
  parts: ServerParts,
  request: Request,
  path: string,
  state: RequestState,
): Promise<Response> {
  try {
    await state.tally.arrive();
    requireHttps(parts, request, path, state);
    return await parts.handle(request);
  } catch (error) {
    const told = toAppError(error);
    logError(parts.log, error, told, state);
    return errorResponse(told, state.id);
  }
}

function finish(response: Response, path: string, state: RequestState): Response {
  response.headers.set("X-Request-ID", state.id);
  response.headers.set("X-Content-Type-Options", "nosniff");
  for (const [name, value] of Object.entries(state.tally.headers())) {
    // Whatever refused the request has said so already.
    if (!response.headers.has(name)) response.headers.set(name, value);
  }
  if (path.startsWith("/api/") && !response.headers.has("Cache-Control")) {
    response.headers.set("Cache-Control", "no-store");
  }
  if (state.client.secure) response.headers.set("Strict-Transport-Security", "max-age=31536000");
  return response;
}

/** Scheme and host of at least four characters: before those the router does not look for a path. */
const ordinaryAddress = /^https?:\/\/[^/]{4}/;

/** The request under an address that everybody can read: what its Host header says, or lacks, means nothing here. */
function withAddress(request: Request): Request {
  if (ordinaryAddress.test(request.url) && URL.canParse(request.url)) return request;
  const path = request.url.replace(/^(https?:\/\/[^/]*)?\/*/, "");
  return new Request(`http://localhost/${path}`, request);
}

/** HEAD is answered like GET, whose body is then left out: the router would read all of one to count its bytes. */
function asGet(request: Request): Request {
  if (request.method !== "HEAD") return request;
  const headers = new Headers(request.headers);
  headers.delete("range");
  return new Request(request.url, { headers });
}

function withoutBody(response: Response): Response {
  response.body?.cancel().catch(() => {});
  return new Response(null, { status: response.status, headers: response.headers });
}

/** The way of every request: id, client, limits, HTTPS, the application, common headers, one line in the log. */
function createFetch(parts: ServerParts, unread: UnreadBodies) {
  const { config, log, requests, limits } = parts;
  return async (received: Request, server: Server<undefined>): Promise<Response> => {
    const startedAt = performance.now();
    const peer = server.requestIP(received)?.address ?? "";
    const addressed = withAddress(received);
    const request = asGet(addressed);
    const client = findClient(request.headers, peer, config.tlsCertFile !== undefined, config.trustedProxies);
    const path = new URL(request.url).pathname;
    const tally = limits.open(client, path);
    const state: RequestState = { id: requestIdOf(request.headers), client, peer, tally };
    requests.set(request, state);
    const told = await answer(parts, request, path, state);
    const response = finish(received.method === "HEAD" ? withoutBody(told) : told, path, state);
    if (!(await unread.readAway(addressed))) response.headers.set("Connection", "close");
    const { method } = received;
    const milliseconds = performance.now() - startedAt;
    const answered = { method, route: state.route, status: response.status, milliseconds };
    log.info(lineOf(state, path, answered), "request");
    parts.onAnswered?.(answered);
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

function readPem(name: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new ListenError(`${name} cannot be read (${(error as { code?: string }).code}): ${path}`);
  }
}

function readTls({ tlsCertFile, tlsKeyFile }: Config) {
  if (!tlsCertFile || !tlsKeyFile) return {};
  const tls = { cert: readPem("TLS_CERT_FILE", tlsCertFile), key: readPem("TLS_KEY_FILE", tlsKeyFile) };
  try {
    createSecureContext(tls);
  } catch {
    throw new ListenError(
      "TLS_CERT_FILE and TLS_KEY_FILE are no PEM certificate and the key that belongs to it.",
    );
  }
  return { tls };
}

/**
 * Starts to listen.
 * @throws ListenError when the port is taken or not allowed, or the certificate cannot be used.
 */
export function listen(parts: ServerParts): RunningServer {
  const { config } = parts;
  const largestBody = Math.max(config.maxPhotoBytes, bulkBody);
  const unread = new UnreadBodies(parts.patience ?? patienceFor(largestBody));
  const tls = readTls(config);
  let server: Server<undefined>;
  try {
    server = Bun.serve({
      hostname: config.host,
      port: config.port,
      // A second copy must fail, not share the port and steal half of the requests.
      reusePort: false,
      // Seconds without a byte in either direction; a slow phone on a bad line is no reason to hang up.
      idleTimeout: 120,
      // Each route has its own limit, and answers in our shape; the runtime would close without a word.
      maxRequestBodySize: Number.MAX_SAFE_INTEGER,
      fetch: createFetch(parts, unread),
      ...tls,
    });
  } catch (error) {
    throw explain(error, config);
  }
  return {
    url: server.url.href.replace(/\/$/, ""),
    async stop(seconds = 10) {
      unread.stop();
      await Promise.race([server.stop(), Bun.sleep(seconds * 1000)]);
      await server.stop(true);
    },
  };
}
