import type { z } from "zod";
import { inspectAnswer, UndocumentedAnswer } from "./answer-inspection.ts";
import { canaryAt } from "./log-canary.ts";
import type { Form } from "./phone-pictures.ts";
import { failure, refreshed } from "./wire.ts";

/** How a request reaches the server. A test puts a lossy one here. */
export type Network = (request: Request) => Promise<Response>;

/** The request may or may not have been carried out: no answer came. */
export class LostAnswer extends Error {
  override name = "LostAnswer";
}

/** The server said no. */
export class ApiFailure extends Error {
  override name = "ApiFailure";

  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly body: z.infer<typeof failure>,
  ) {
    super(`${status} ${code}: ${message}`);
  }
}

/** The answer would break a phone in the field, or breaks a promise of the contract. */
export class ContractBreach extends Error {
  override name = "ContractBreach";
}

export interface TransportOptions {
  /** Where the server is, without the base path. */
  baseUrl: string;
  network: Network;
  deviceId: string;
  appVersion: string;
  /** Milliseconds between the retries of a 5xx. */
  retryPause: number;
}

const RETRIES_ON_5XX = 3;
const TIMEOUT_MS = 30_000;

/** Sends the phone's requests: headers, tokens, retries and a strict reading of every answer. */
export class PhoneTransport {
  accessToken: string | null = null;
  refreshToken: string | null = null;
  requests = 0;
  lostAnswers = 0;

  constructor(readonly options: TransportOptions) {}

  /**
   * One call of the API.
   * @throws LostAnswer, ApiFailure, ContractBreach
   */
  async call<Schema extends z.ZodType>(
    method: string,
    path: string,
    body: unknown,
    schema: Schema,
  ): Promise<z.infer<Schema>> {
    const answer = await this.#signedIn(method, path, body);
    return read(schema, json(answer), `${method} ${path}`);
  }

  /** The same with a form as its body. */
  post<Schema extends z.ZodType>(path: string, form: Form, schema: Schema): Promise<z.infer<Schema>> {
    return this.call("POST", path, form, schema);
  }

  /** A call that is answered without a body. */
  async send(method: string, path: string, body?: unknown): Promise<void> {
    const answer = await this.#signedIn(method, path, body);
    if (answer.status !== 204)
      throw new ContractBreach(`${method} ${path}: ${answer.status} where 204 is due`);
  }

  async #signedIn(method: string, path: string, body: unknown): Promise<{ status: number; text: string }> {
    try {
      return await this.#withRetries(method, path, body);
    } catch (error) {
      const expired = error instanceof ApiFailure && error.status === 401 && !path.startsWith("/auth/");
      if (!expired || !this.refreshToken) throw error;
      await this.#refresh(this.refreshToken);
      return this.#withRetries(method, path, body);
    }
  }

  async #refresh(refreshToken: string): Promise<void> {
    const answer = await this.#withRetries("POST", "/auth/refresh", { refreshToken });
    const tokens = read(refreshed, json(answer), "POST /auth/refresh");
    this.accessToken = tokens.accessToken;
    this.refreshToken = tokens.refreshToken;
  }

  async #withRetries(method: string, path: string, body: unknown): Promise<{ status: number; text: string }> {
    for (let attempt = 0; ; attempt++) {
      const answer = await this.#once(method, path, body);
      if (answer.status < 400) return answer;
      if (answer.status >= 500 && attempt < RETRIES_ON_5XX) {
        await Bun.sleep(this.options.retryPause);
        continue;
      }
      const said = read(failure, json(answer), `${method} ${path} (${answer.status})`);
      throw new ApiFailure(answer.status, said.error, said.message, said);
    }
  }

  async #once(method: string, path: string, body: unknown): Promise<{ status: number; text: string }> {
    this.requests++;
    const canary = canaryAt(this.options.baseUrl);
    canary.request(path, body, this.accessToken);
    try {
      const request = this.#request(method, path, body);
      const response = await this.options.network(request);
      const text = await response.text();
      await inspectAnswer(request, response, text);
      canary.answer(text);
      if (!response.headers.get("x-request-id"))
        throw new ContractBreach(`${method} ${path}: no X-Request-ID`);
      return { status: response.status, text };
    } catch (error) {
      if (error instanceof ContractBreach || error instanceof UndocumentedAnswer) throw error;
      this.lostAnswers++;
      throw new LostAnswer(`${method} ${path}: ${error instanceof Error ? error.message : error}`);
    }
  }

  #request(method: string, path: string, body: unknown): Request {
    const headers = new Headers({
      // The app sends it on every request, a GET without a body included.
      "Content-Type": "application/json",
      "X-Device-ID": this.options.deviceId,
      "X-App-Version": this.options.appVersion,
    });
    const needsToken = !path.startsWith("/auth/") || path === "/auth/logout";
    if (this.accessToken && needsToken) headers.set("Authorization", `Bearer ${this.accessToken}`);
    const init: RequestInit = { method, headers, signal: AbortSignal.timeout(TIMEOUT_MS) };
    if (isForm(body)) {
      headers.set("Content-Type", body.contentType);
      init.body = body.bytes;
    } else if (body !== undefined) init.body = JSON.stringify(body);
    return new Request(`${this.options.baseUrl}/api/v1${path}`, init);
  }
}

function isForm(body: unknown): body is Form {
  return (body as Form | undefined)?.bytes instanceof Uint8Array;
}

function json(answer: { status: number; text: string }): unknown {
  try {
    return JSON.parse(answer.text);
  } catch {
    throw new ContractBreach(`${answer.status} with a body that is no JSON: ${answer.text.slice(0, 200)}`);
  }
}

function read<Schema extends z.ZodType>(schema: Schema, value: unknown, what: string): z.infer<Schema> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issues = result.error.issues.slice(0, 5).map((issue) => `${issue.path.join(".")}: ${issue.message}`);
  throw new ContractBreach(`${what}: the phone cannot read the answer. ${issues.join("; ")}`);
}
