import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { ZipArchive } from "archiver";
import { sql } from "drizzle-orm";
import type { Database } from "../../src/database/client.ts";
import {
  type ImportOrder,
  type ImportReport,
  importAccount,
} from "../../src/exports/import/import-account.ts";
import { goodPassword } from "../accounts/people.ts";
import type { Outcome, PictureServer } from "../storage/picture-server.ts";
import type { Device } from "../support/sync-client.ts";
import type { TestServer } from "../support/test-server.ts";
import { exportBytes, type Files, orderOf, unzip } from "./archives.ts";
import { type Rows, stored, wholeTables } from "./rebuild.ts";

/** An account without anything. */
export interface Empty {
  readonly userId: string;
  readonly email: string;
  readonly password: string;
}

let accounts = 0;

/** Makes an account as `create-user` does. */
export async function createAccount(
  { context }: TestServer,
  email = `empty${++accounts}@example.org`,
  password = goodPassword,
): Promise<Empty> {
  const { id } = await context.registration.create({ email, displayName: "Ada", password });
  return { userId: id, email, password };
}

/** A folder for archives. */
export async function newFolder() {
  const path = await mkdtemp(join(tmpdir(), "tg-import-"));
  let files = 0;
  return {
    /** Writes bytes down. @returns where */
    async write(bytes: Uint8Array): Promise<string> {
      const file = join(path, `${++files}.zip`);
      await Bun.write(file, bytes);
      return file;
    },
    remove: () => rm(path, { recursive: true, force: true }),
  };
}

/** Files as a zip archive, whatever they are called. */
export async function zipped(files: Iterable<readonly [name: string, content: Uint8Array | string]>) {
  const zip = new ZipArchive({ zlib: { level: 6 } });
  for (const [name, content] of files) zip.append(Readable.from([Buffer.from(content)]), { name });
  const [bytes] = await Promise.all([
    new Response(Readable.toWeb(zip) as ReadableStream).bytes(),
    zip.finalize(),
  ]);
  return bytes;
}

/** An archive of a device's account as it is now, and its files. */
export async function exported(device: Device): Promise<{ bytes: Uint8Array; files: Files }> {
  const { bytes } = await exportBytes(device.server, orderOf(device));
  return { bytes, files: await unzip(bytes) };
}

export const runImport = (
  server: PictureServer,
  email: string,
  file: string,
  ...more: string[]
): Promise<Outcome> => server.run(["import", "--user", email, file, ...more]);

/** The same within this process. */
export const importInto = (
  { context }: TestServer,
  { userId, email }: Empty,
  path: string,
  more: Partial<ImportOrder> = {},
): Promise<ImportReport> => importAccount(context, { userId, email, path, salvage: false, ...more });

/** What of a table's columns an import makes anew, or leaves out. */
const anew: Record<string, string> = {
  devices: "- 'session_id'",
  stored_objects: "- 'key' - 'used_at'",
};

/**
 * Everything that an account holds, a list a table, but for what an import names as different: keys of objects, sessions, and
 * pictures of photos that are deleted.
 */
export async function everythingOf(db: Database, userId: string): Promise<Record<string, Rows>> {
  const found: Record<string, Rows> = {};
  for (const table of wholeTables) found[table] = await stored(db, table, userId);
  const live = sql`EXISTS (SELECT FROM photos p JOIN photo_files f ON f.user_id = p.user_id AND f.photo_id = p.id
    WHERE p.user_id = t.user_id AND p.deleted_at IS NULL AND f.sha256 = t.sha256)`;
  for (const [table, where] of [
    ["devices", sql`true`],
    ["stored_objects", live],
    [
      "photo_files",
      sql`${live} AND photo_id IN (SELECT id FROM photos WHERE user_id = ${userId} AND deleted_at IS NULL)`,
    ],
  ] as const) {
    const rows = await db.execute<{ row: Record<string, unknown> }>(sql`
      SELECT to_jsonb(t) - 'user_id' ${sql.raw(anew[table] ?? "")} AS row FROM ${sql.identifier(table)} t
      WHERE user_id = ${userId} AND ${where} ORDER BY 1`);
    found[table] = rows.map(({ row }) => row);
  }
  return found;
}
