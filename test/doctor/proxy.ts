import { readFileSync } from "node:fs";
import type { CertificateFiles } from "./certificates.ts";

export interface ProxyOptions {
  /** Answers itself instead of handing the request on. */
  readonly answer?: (request: Request) => Response | undefined;
  /** Bytes of the largest body that it takes; as nginx, it goes by what is announced. */
  readonly limit?: number;
  /** Whether it says how requests came. */
  readonly tellsScheme?: boolean;
  readonly changesAnswer?: (headers: Headers) => void;
  readonly tls?: CertificateFiles;
}

export interface Proxy {
  readonly url: string;
  stop(): Promise<void>;
}

/** A reverse proxy with a fault. */
export function startProxy(target: string, options: ProxyOptions = {}): Proxy {
  const { tls } = options;
  const forward = async (request: Request) => {
    const { pathname, search } = new URL(request.url);
    const headers = new Headers(request.headers);
    headers.set("X-Forwarded-For", "203.0.113.9");
    if (options.tellsScheme !== false) headers.set("X-Forwarded-Proto", tls ? "https" : "http");
    const { method, body } = request;
    const response = await fetch(target + pathname + search, { method, headers, body, redirect: "manual" });
    const answered = new Headers(response.headers);
    options.changesAnswer?.(answered);
    return new Response(response.body, { status: response.status, headers: answered });
  };
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    ...(tls && { tls: { cert: readFileSync(tls.cert), key: readFileSync(tls.key) } }),
    fetch: (request) => {
      const announced = Number(request.headers.get("content-length") ?? 0);
      if (options.limit !== undefined && announced > options.limit) return page(413);
      return options.answer?.(request) ?? forward(request);
    },
  });
  return {
    url: server.url.href.replace(/\/$/, "").replace("127.0.0.1", "localhost"),
    stop: () => server.stop(true),
  };
}

/** A page for browsers. */
export const page = (status: number, text = "<title>Page</title>") =>
  new Response(`<!doctype html><html>${text}</html>`, { status, headers: { "Content-Type": "text/html" } });
