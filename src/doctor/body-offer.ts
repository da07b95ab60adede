import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { callHeaders, isOurs } from "./public-call.ts";

export interface BodyOutcome {
  /** `taken`: the server answered, or was asked. `cut`: somebody before it refused, or hung up. `unknown`: nobody in time. */
  readonly end: "taken" | "cut" | "unknown";
  /** Of the answer; null where there was none. */
  readonly status: number | null;
  /** Bytes of the body that had been handed over by then. */
  readonly sent: number;
}

/** Milliseconds for one offer. */
const patience = 8000;
const piece = new Uint8Array(64 * 1024);

function open(url: URL): Socket {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const port = Number(url.port) || (url.protocol === "https:" ? 443 : 80);
  if (url.protocol !== "https:") return connect(port, host);
  // Whether the certificate is trusted is another check; nothing of worth is sent.
  return connectTls({
    host,
    port,
    rejectUnauthorized: false,
    ...(/[a-z]/i.test(host) && { servername: host }),
  });
}

function headOf(url: URL, size: number, headers: Record<string, string>): string {
  const all = {
    Host: url.host,
    "Content-Type": "application/octet-stream",
    "Content-Length": size,
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  return `POST ${url.pathname} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`;
}

/** Status and headers of an answer, once its head is there. */
function readHead(text: string): { status: number; headers: Headers } | null {
  const end = text.indexOf("\r\n\r\n");
  const [first = "", ...lines] = text.slice(0, Math.max(end, 0)).split("\r\n");
  const status = Number(first.split(" ")[1]);
  if (end < 0) return null;
  if (status < 200) return readHead(text.slice(end + 4));
  const headers = new Headers();
  for (const line of lines) {
    const [name = "", value = ""] = line.split(/:\s*(.*)/s);
    if (/^[\w-]+$/.test(name)) headers.append(name, value);
  }
  return { status, headers };
}

/** A gateway that says so has let the body pass, and then lost the server: one that closes without reading it to its end. */
const isGatewayError = (status: number) => status >= 502 && status <= 504;

function offerOnce(base: string, size: number): Promise<BodyOutcome> {
  const url = new URL(`${base}/api/v1/photos/upload`);
  const headers = callHeaders();
  const socket = open(url);
  let sent = 0;
  let received = "";
  return new Promise((resolve) => {
    const finish = (end: BodyOutcome["end"], status: number | null = null) => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ end, status, sent });
    };
    const timer = setTimeout(() => finish("unknown"), patience);
    const pump = () => {
      if (sent >= size || socket.destroyed) return;
      const next = piece.subarray(0, Math.min(piece.length, size - sent));
      sent += next.length;
      socket.write(next, pump);
    };
    socket.on(url.protocol === "https:" ? "secureConnect" : "connect", () => {
      socket.write(headOf(url, size, headers), pump);
    });
    socket.on("data", (data) => {
      received = (received + data.toString("latin1")).slice(0, 64 * 1024);
      const head = readHead(received);
      if (!head) return;
      const ours = isOurs(head.headers, headers["X-Request-ID"]);
      finish(ours || isGatewayError(head.status) ? "taken" : "cut", head.status);
    });
    // What is still to be read when the other side hangs up comes before its end.
    socket.on("error", () => setTimeout(finish, 200, "cut"));
    socket.on("close", () => setTimeout(finish, 200, "cut"));
  });
}

/**
 * Offers a body of a size to an upload that needs a sign-in, without one. The server refuses it by its headers; what
 * cuts it off on the way shows by whose answer comes. Over a socket, piece by piece as it is taken: HTTP clients that
 * are told no while they send lose the answer, and some hold all of the body.
 */
export async function offerBody(base: string, size: number): Promise<BodyOutcome> {
  let outcome = await offerOnce(base, size);
  // An answer can get lost when the connection ends at that moment; a limit is met every time.
  for (let again = 0; again < 2 && outcome.end === "cut" && outcome.status === null; again++) {
    outcome = await offerOnce(base, size);
  }
  return outcome;
}
