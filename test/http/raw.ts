import { connect, type Socket } from "node:net";

/** An answer as it came over the wire. */
export interface RawAnswer {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: Record<string, string>;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into bodies of every shape
  readonly json: any;
}

/** A connection on which a test says byte by byte what it wants. */
export interface RawConnection {
  readonly socket: Socket;
  write(data: string | Uint8Array): void;
  /** The next answer: as long as it says it is, else until the server closes; to HEAD, its head. */
  answer(hasBody?: boolean): Promise<RawAnswer>;
  /** Resolves when the connection is gone, whoever closed it. */
  readonly closed: Promise<void>;
}

function parseAnswer(bytes: Buffer): RawAnswer {
  const split = bytes.indexOf("\r\n\r\n");
  const [first = "", ...lines] = bytes.subarray(0, split).toString("latin1").split("\r\n");
  const headers = Object.fromEntries(
    lines.map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
  const text = bytes.subarray(split + 4).toString();
  const isJson = headers["content-type"]?.includes("json") && text.startsWith("{");
  return { status: Number(first.split(" ")[1]), headers, text, json: isJson ? JSON.parse(text) : undefined };
}

/** What comes after interim answers such as `100 Continue`. */
function finalPart(bytes: Buffer): Buffer {
  const split = bytes.indexOf("\r\n\r\n");
  const interim = split > 0 && /^HTTP\/1\.1 1\d\d/.test(bytes.toString("latin1", 0, 12));
  return interim ? finalPart(bytes.subarray(split + 4)) : bytes;
}

/** Where the first answer ends; -1 while it is not whole, or only the end of the connection ends it. */
function endOf(bytes: Buffer, hasBody: boolean): number {
  const split = bytes.indexOf("\r\n\r\n");
  if (split < 0) return -1;
  const lines = bytes.subarray(0, split).toString("latin1");
  if (!hasBody || /^HTTP\/1\.1 204/.test(lines)) return split + 4;
  const length = /\r\ncontent-length: *(\d+)/i.exec(lines)?.[1];
  const end = split + 4 + Number(length);
  return length !== undefined && bytes.length >= end ? end : -1;
}

/** Opens a TCP connection to a server's address. */
export function openRaw(url: string): RawConnection {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  let received = Buffer.alloc(0);
  let tell = () => {};
  let gone = false;
  socket.on("data", (data) => {
    received = Buffer.concat([received, Buffer.from(data)]);
    tell();
  });
  socket.on("error", () => {});
  const closed = new Promise<void>((resolve) => {
    socket.on("close", () => {
      gone = true;
      resolve();
      tell();
    });
  });
  return {
    socket,
    closed,
    write: (data) => void socket.write(data),
    answer: (hasBody = true) =>
      new Promise((resolve, reject) => {
        tell = () => {
          const bytes = finalPart(received);
          const end = gone && bytes.includes("\r\n\r\n") ? bytes.length : endOf(bytes, hasBody);
          if (end >= 0) {
            received = Buffer.from(bytes.subarray(end));
            tell = () => {};
            resolve(parseAnswer(bytes.subarray(0, end)));
          } else if (gone) reject(new Error("the server closed without an answer"));
        };
        tell();
      }),
  };
}

/** The head of a request with the headers that phones send. */
export function head(method: string, path: string, headers: Record<string, string> = {}): string {
  const all: Record<string, string> = {
    Host: "localhost",
    "X-Device-ID": "11111111-2222-4333-8444-555555555555",
    "X-App-Version": "1.0.0",
    "Content-Type": "application/json",
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${path} HTTP/1.1\r\n${lines.join("")}\r\n`;
}

/** Sends one request as given, and reads its answer. */
export async function sendRaw(url: string, data: string | Uint8Array): Promise<RawAnswer> {
  const connection = openRaw(url);
  connection.write(data);
  try {
    return await connection.answer(!String(data).startsWith("HEAD "));
  } finally {
    connection.socket.destroy();
  }
}
