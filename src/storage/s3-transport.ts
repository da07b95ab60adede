import type { Deadline } from "./deadline.ts";

/** Bytes that are handed to the socket at once, and thereby the step in which an upload makes progress. */
const stepSize = 64 * 1024;

/** What the SDK asks to be sent; its own type is in a package that it does not pass on. */
interface SdkRequest {
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number | undefined;
  readonly path: string;
  readonly query?: Record<string, string | string[] | null> | undefined;
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly body?: Uint8Array<ArrayBuffer> | string | undefined;
}

interface SdkResponse {
  readonly statusCode: number;
  readonly headers: Record<string, string>;
  readonly body: ReadableStream<Uint8Array> | undefined;
}

/** Options of a call, as this transport is handed them by the SDK. */
export interface TransportOptions {
  readonly deadline: Deadline;
}

/** Sends the requests of the SDK with Bun's own fetch, and tells the deadline when bytes get on. */
export class S3Transport {
  async handle(request: SdkRequest, options?: object): Promise<{ response: SdkResponse }> {
    const { deadline } = options as TransportOptions;
    try {
      const response = await fetch(urlOf(request), {
        method: request.method,
        headers: headersOf(request),
        body: inSteps(request.body, deadline),
        signal: deadline.signal,
        redirect: "manual",
        decompress: false,
      });
      return { response: toSdk(response) };
    } catch (error) {
      // Sockets that broke are worth another attempt; the SDK knows their errors by Node's names only.
      if (!deadline.signal.aborted) Object.assign(error as object, { $retryable: {} });
      throw error;
    }
  }

  updateHttpClientConfig(): void {}

  httpHandlerConfigs(): Record<string, never> {
    return {};
  }
}

const encode = (text: string) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);

function urlOf({ protocol, hostname, port, path, query = {} }: SdkRequest): string {
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    value === null ? [encode(name)] : [value].flat().map((one) => `${encode(name)}=${encode(one)}`),
  );
  const search = pairs.length > 0 ? `?${pairs.join("&")}` : "";
  return `${protocol}//${hostname}${port ? `:${port}` : ""}${path}${search}`;
}

/** What fetch says itself is left out; compressed answers would not have the length that they claim. */
function headersOf({ headers }: SdkRequest): Headers {
  const sent = new Headers({ ...headers, "accept-encoding": "identity" });
  sent.delete("host");
  sent.delete("expect");
  return sent;
}

function toSdk({ status, headers, body }: Response): SdkResponse {
  return { statusCode: status, headers: Object.fromEntries(headers), body: body ?? undefined };
}

/**
 * A body that is taken as fast as the network takes it, each step being progress: on a slow line, a part may take
 * longer than a storage that hangs is waited for. Its length is in the headers, as S3 wants it.
 */
function inSteps(body: SdkRequest["body"], deadline: Deadline): Bun.BodyInit | null {
  if (!(body instanceof Uint8Array) || body.byteLength <= stepSize) return body ?? null;
  let sent = 0;
  return new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        deadline.extend();
        controller.enqueue(body.subarray(sent, sent + stepSize));
        sent += stepSize;
        if (sent >= body.byteLength) controller.close();
      },
    },
    { highWaterMark: 0 },
  );
}
