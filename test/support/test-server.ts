import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createApp } from "../../src/app.ts";
import { type Config, readConfig } from "../../src/config/config.ts";
import { type Context, createContext, type Overrides } from "../../src/context.ts";
import { connect, parseDatabaseUrl } from "../../src/database/client.ts";
import { listen } from "../../src/http/server.ts";
import { createLog } from "../../src/log.ts";
import { inspectAnswer, inspectAnswersOf } from "./answer-inspection.ts";
import { documentOf } from "./documented-answers.ts";
import { canaryAt, requireSilence } from "./log-canary.ts";
import { createTestDatabase } from "./shared-postgres.ts";

export interface RequestOptions {
  /** Sent as JSON; a string or bytes go out as they are. */
  readonly body?: unknown;
  /** Sent as `Authorization: Bearer ...`. */
  readonly token?: string;
  /** `null` leaves the header out. */
  readonly deviceId?: string | null;
  readonly headers?: Record<string, string>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body read as JSON; undefined when there is none. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into bodies of every shape
  readonly json: any;
}

export type LogLine = Record<string, unknown> & { level: string; msg?: string };

/** The whole server on a real socket, with a database of its own. */
export interface TestServer {
  readonly url: string;
  /** The database, for a second process that is to work on it, too. */
  readonly databaseUrl: string;
  readonly config: Config;
  readonly context: Context;
  readonly app: ReturnType<typeof createApp>;
  /** Every log line so far, parsed. */
  readonly logs: LogLine[];
  /** Calls `/api/v1` + path, with the headers that every phone sends; content type JSON also without a body. */
  request(method: string, path: string, options?: RequestOptions): Promise<Answer>;
  /** @throws when a line of its log holds what a request or an answer kept secret */
  stop(): Promise<void>;
}

/** The device that requests come from when a test does not care. */
export const anyDevice = "11111111-2222-4333-8444-555555555555";

const limits = ["AUTH", "SYNC", "LOCATION_BATCH", "PHOTO_UPLOAD", "DEFAULT"];

/** A configuration for tests: plain HTTP on a free local port, open registration, everything logged, no limits. */
export function testConfig(overrides: Partial<Config> = {}): Config {
  const environment = {
    APP_HOST: "127.0.0.1",
    APP_PORT: "0",
    ALLOW_PLAIN_HTTP: "true",
    REGISTRATION: "open",
    LOG_LEVEL: "trace",
    GLOBAL_RATE_LIMIT_PER_MINUTE: "0",
    ...Object.fromEntries(limits.map((name) => [`RATE_LIMIT_${name}`, "0"])),
  };
  const readFile = () => "";
  return Object.freeze({
    ...readConfig({ environment, readFile, defaultDataDir: "/nonexistent" }),
    ...overrides,
  });
}

function toRequest(url: string, method: string, path: string, options: RequestOptions): Request {
  const headers = new Headers({ "Content-Type": "application/json", "X-App-Version": "1.0.0" });
  if (options.deviceId !== null) headers.set("X-Device-ID", options.deviceId ?? anyDevice);
  if (options.token) headers.set("Authorization", `Bearer ${options.token}`);
  for (const [name, value] of Object.entries(options.headers ?? {})) headers.set(name, value);
  const { body } = options;
  const raw = typeof body === "string" || body instanceof Uint8Array;
  return new Request(`${url}/api/v1${path}`, {
    method,
    headers,
    ...(body !== undefined && {
      body: raw ? (body as string | Uint8Array<ArrayBuffer>) : JSON.stringify(body),
    }),
  });
}

/** Sends a request. @throws UndocumentedAnswer when the answer is not as the API's description has it */
async function send(request: Request): Promise<Answer> {
  const response = await fetch(request);
  const text = await response.text();
  await inspectAnswer(request, response, text);
  const isJson = response.headers.get("content-type")?.includes("json");
  return {
    status: response.status,
    headers: response.headers,
    text,
    json: isJson && text ? JSON.parse(text) : undefined,
  };
}

/** Calls the API of whatever listens at an address. */
export const requester =
  (url: string): TestServer["request"] =>
  async (method, path, options = {}) => {
    const canary = canaryAt(url);
    canary.request(path, options.body, options.token);
    const answer = await send(toRequest(url, method, path, options));
    // What describes the API names parameters, and no person.
    if (!path.endsWith("/openapi.json")) canary.answer(answer.json);
    return answer;
  };

/** Starts the server on a fresh database; `stop` drops it again. */
export async function startTestServer(
  overrides: Partial<Config> = {},
  parts: Overrides = {},
): Promise<TestServer> {
  const dataDir = overrides.dataDir ?? mkdtempSync(join(tmpdir(), "trailglass-"));
  const config = testConfig({ dataDir, ...overrides });
  const logs: LogLine[] = [];
  const lines: string[] = [];
  const destination = {
    write(line: string) {
      lines.push(line);
      logs.push(JSON.parse(line));
    },
  };
  const log = createLog({ level: config.logLevel, format: "json", destination });
  const own = await createTestDatabase();
  const database = connect(parseDatabaseUrl(own.url), config.databaseMaxPoolSize);
  const context = await createContext(config, { log, database, schema: "require", ...parts });
  const app = createApp(context);
  const server = listen({ ...context, handle: (request) => app.handle(request) });
  context.address.listening(server.url);
  const endInspection = inspectAnswersOf(server.url, async (answer) => (await documentOf(app)).check(answer));
  return {
    url: server.url,
    databaseUrl: own.url,
    config,
    context,
    app,
    logs,
    request: requester(server.url),
    async stop() {
      endInspection();
      await server.stop();
      await context.dispose();
      await database.close();
      await own.drop();
      if (overrides.dataDir === undefined) rmSync(dataDir, { recursive: true, force: true });
      requireSilence(server.url, lines);
    },
  };
}
