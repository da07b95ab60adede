import { sql } from "drizzle-orm";
import { fromBufferPromise } from "yauzl";
import type { ExportRequest } from "../../src/exports/export-rows.ts";
import type { ExportOrder } from "../../src/exports/write-export.ts";
import { writeExport } from "../../src/exports/write-export.ts";
import type { Device, Json } from "../support/sync-client.ts";
import type { TestServer } from "../support/test-server.ts";

/** Files of an archive by their names. */
export type Files = ReadonlyMap<string, Buffer>;

/** Reads a zip file to its end; each file's checksum is compared on the way. */
export async function unzip(bytes: Uint8Array): Promise<Files> {
  const zip = await fromBufferPromise(Buffer.from(bytes), { strictFileNames: true });
  const files = new Map<string, Buffer>();
  for await (const entry of zip.eachEntry()) {
    if (files.has(entry.fileName)) throw new Error(`${entry.fileName} is there twice`);
    const pieces: Buffer[] = [];
    for await (const piece of await zip.openReadStreamPromise(entry)) pieces.push(Buffer.from(piece));
    files.set(entry.fileName, Buffer.concat(pieces));
  }
  return files;
}

/** A JSON file of an archive. */
export const readJson = (files: Files, name: string): Json => JSON.parse(files.get(name)?.toString() ?? "");

/** Everything, in JSON, unless something else is said. */
export const orderOf = ({ person }: Device, more: Partial<ExportOrder> = {}): ExportOrder => ({
  userId: person.userId,
  format: "JSON",
  includePhotos: true,
  range: { start: null, end: null },
  ...more,
});

/** Writes an export as the server does, but for the storage. */
export async function exportBytes(
  { context }: TestServer,
  order: ExportOrder,
  signal = new AbortController().signal,
): Promise<{ bytes: Uint8Array; size: number; sha256: string }> {
  let bytes: Uint8Array = new Uint8Array();
  const take = async (stream: ReadableStream<Uint8Array>) => {
    bytes = await new Response(stream).bytes();
  };
  const { size, sha256 } = await writeExport(context, order, { take, signal });
  return { bytes, size, sha256 };
}

export const exportFiles = async (server: TestServer, order: ExportOrder): Promise<Files> =>
  unzip((await exportBytes(server, order)).bytes);

/** Asks for an export as a phone does. */
export const requestExport = (device: Device, body: Json = {}): Promise<Json> =>
  device.call("POST", "/export/request", { format: "JSON", includePhotos: true, ...body });

export const statusOf = (device: Device, exportId: string): Promise<Json> =>
  device.call("GET", `/export/${exportId}/status`);

/** The link's path and query at a server: tests listen where nobody told it. */
export function linkAt({ url }: TestServer, link: string): string {
  const { pathname, search } = new URL(link);
  return `${url}${pathname}${search}`;
}

/** Keys of all exports that lie in the storage. */
export const storedExports = ({ context }: TestServer): Promise<string[]> =>
  Array.fromAsync(context.storage.list("exports/"), ({ key }) => key);

/** Lines in the books about exports that nothing refers to. */
export async function waitingKeys({ context }: TestServer): Promise<string[]> {
  const rows = await context.db.execute<{ key: string }>(
    sql`SELECT key FROM unreferenced_objects WHERE key LIKE 'exports/%'`,
  );
  return rows.map(({ key }) => key);
}

export type { ExportRequest };
