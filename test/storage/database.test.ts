import { afterAll, beforeAll, expect, test } from "bun:test";
import { AppError } from "../../src/errors.ts";
import { DatabaseStorage } from "../../src/storage/database-storage.ts";
import { newKey } from "../../src/storage/object-key.ts";
import { someBytes, streamOf } from "../support/bytes.ts";
import { openTestStorage, type TestStorage } from "../support/storages.ts";

const jpeg = { mediaType: "image/jpeg" };
const chunk = 524_288;
let own: TestStorage;
beforeAll(async () => {
  own = await openTestStorage("database");
});
afterAll(() => own.remove());

const sql = () => (own.client as NonNullable<TestStorage["client"]>).sql;
const put = (key: string, bytes: Uint8Array) => own.storage.put(key, streamOf(bytes), jpeg);

async function readAll(key: string): Promise<Buffer> {
  const object = await own.storage.get(key);
  return Buffer.from(await new Response(object?.body).arrayBuffer());
}

test("chunks are of the same size, stored as they are", async () => {
  const [key, bytes] = [newKey("originals"), someBytes(2 * chunk + 1)];
  await put(key, bytes);
  const rows = await sql()`
    SELECT position, length(bytes) AS length, pg_column_size(bytes) AS stored FROM stored_chunks
    WHERE key = ${key} ORDER BY position`;
  expect(rows.map(({ length }) => length)).toEqual([chunk, chunk, 1]);
  expect(rows.map(({ position }) => position)).toEqual([0, 1, 2]);
});

test.each(["missing", "shortened"])("a chunk that is %s breaks the stream off", async (how) => {
  const key = newKey("originals");
  await put(key, someBytes(3 * chunk));
  if (how === "missing") await sql()`DELETE FROM stored_chunks WHERE key = ${key} AND position = 1`;
  else await sql()`UPDATE stored_chunks SET bytes = substr(bytes, 2) WHERE key = ${key} AND position = 2`;
  await expect(readAll(key)).rejects.toThrow();
});

test("chunks that are swept from under a writer make no object", async () => {
  const key = newKey("originals");
  const body = streamOf(someBytes(3 * chunk)).pipeThrough(
    new TransformStream({
      async flush() {
        await sql()`DELETE FROM stored_chunks WHERE key LIKE ${`${key}%`} AND position = 0`;
      },
    }),
  );
  await expect(own.storage.put(key, body, jpeg)).rejects.toThrow("swept away");
  expect(await own.storage.stat(key)).toBeNull();
});

test("sweeps what is left of writes, once that is a day old", async () => {
  const [whole, old, young] = [newKey("originals"), newKey("originals"), newKey("originals")];
  await put(whole, someBytes(chunk + 1));
  for (const key of [old, young])
    await sql()`INSERT INTO stored_chunks (key, position, bytes) VALUES (${`${key}~x`}, 0, 'x')`;
  await sql()`
    UPDATE stored_chunks SET written_at = now() - interval '25 hours' WHERE key IN (${`${old}~x`}, ${whole})`;
  await own.storage.sweepFragments();
  expect(await own.fragments(old)).toBe(1);
  expect((await readAll(whole)).length).toBe(chunk + 1);
});

test("slow senders and takers hold no connection", async () => {
  const gate = Promise.withResolvers<void>();
  const keys = Array.from({ length: 20 }, () => newKey("originals"));
  const bytes = someBytes(3 * chunk);
  const writing = keys.map((key) =>
    own.storage.put(
      key,
      streamOf(bytes).pipeThrough(new TransformStream({ flush: () => gate.promise })),
      jpeg,
    ),
  );
  const key = newKey("originals");
  await put(key, bytes);
  const readers = await Promise.all(
    keys.map(async () => (await own.storage.get(key))?.body as ReadableStream<Uint8Array>),
  );
  const taking = readers.map((body) => body.getReader());
  await Promise.all(taking.map((reader) => reader.read()));
  const began = performance.now();
  expect(await sql()`SELECT 1 AS one`).toHaveLength(1);
  expect(performance.now() - began).toBeLessThan(2_000);
  gate.resolve();
  await Promise.all([...writing, ...taking.map((reader) => reader.cancel())]);
});

test("a database that is full is a 503 that says so", async () => {
  await sql().unsafe(`
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$;
    CREATE TRIGGER full_disk BEFORE INSERT ON stored_chunks FOR EACH ROW EXECUTE FUNCTION refuse()`);
  try {
    const error = await put(newKey("originals"), someBytes(10)).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(AppError);
    expect(error).toMatchObject({ status: 503, message: "The disk is full" });
  } finally {
    await sql().unsafe("DROP TRIGGER full_disk ON stored_chunks; DROP FUNCTION refuse()");
  }
});

test("a database that hangs is a 503 in time", async () => {
  const held = await sql().reserve();
  await held`BEGIN`;
  await held`LOCK TABLE stored_chunks, stored_blobs IN ACCESS EXCLUSIVE MODE`;
  try {
    const began = performance.now();
    const key = newKey("originals");
    const all = [
      put(key, someBytes(10)),
      own.storage.get(key),
      own.storage.stat(key),
      own.storage.delete(key),
    ];
    for (const result of await Promise.allSettled(all)) {
      expect(result.status).toBe("rejected");
      expect((result as PromiseRejectedResult).reason).toMatchObject({ status: 503 });
    }
    expect(performance.now() - began).toBeLessThan(10_000);
  } finally {
    await held`ROLLBACK`;
    held.release();
  }
  await own.storage.probe();
});

test("a database that is gone is a 503, and told to the administrator", async () => {
  const { connect } = await import("../../src/database/client.ts");
  const nowhere = connect({ path: "/nowhere/.s.PGSQL.1", user: "x", database: "x" }, 1);
  const storage = new DatabaseStorage(nowhere.db);
  await expect(storage.stat(newKey("originals"))).rejects.toMatchObject({ status: 503 });
  await expect(storage.probe()).rejects.toThrow("the database does not store objects");
  await nowhere.close(0);
});
