import { connect, type Socket } from "node:net";
import type { BenchPhone } from "./phone.ts";

function requestText(phone: BenchPhone, cursor: number): string {
  const body = phone.deltaBody(cursor);
  const headers = { ...phone.headers, Host: "127.0.0.1", "Content-Length": String(body.length) };
  const lines = Object.entries({ ...headers, Connection: "close" }).map(
    ([name, value]) => `${name}: ${value}`,
  );
  return `POST /api/v1/sync/delta HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n${body}`;
}

/** Takes what comes no faster than it may: between reads the socket's buffers fill, and the server has to wait. */
async function readPage(socket: Socket, bytesPerSecond: number): Promise<string> {
  const began = performance.now();
  let bytes = 0;
  let head = "";
  for await (const piece of socket) {
    if (head.length < 2_000) head += (piece as Buffer).toString("latin1");
    bytes += (piece as Buffer).length;
    const ahead = (bytes / bytesPerSecond) * 1000 - (performance.now() - began);
    if (ahead > 5) await Bun.sleep(ahead);
  }
  return head;
}

/** Reads the first pages of a first sync over a bare socket, slowly. */
export async function readSlowly(phone: BenchPhone, pages: number, bytesPerSecond: number): Promise<void> {
  let cursor = 0;
  for (let page = 0; page < pages; page++) {
    const socket = connect({
      port: phone.server.port,
      host: "127.0.0.1",
      readableHighWaterMark: 64 * 1024,
    } as never);
    socket.write(requestText(phone, cursor));
    const head = await readPage(socket, bytesPerSecond);
    if (!head.startsWith("HTTP/1.1 200")) throw new Error(`a slow page answered ${head.slice(0, 100)}`);
    cursor = Number(/"syncVersion":(\d+)/.exec(head)?.[1]);
    if (!/"hasMore":true/.test(head)) return;
  }
}
