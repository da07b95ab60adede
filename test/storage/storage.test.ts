import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { derivedKey, newKey } from "../../src/storage/object-key.ts";
import type { ByteRange, ObjectInfo } from "../../src/storage/storage.ts";
import { brokenStreamOf, someBytes, streamOf } from "../support/bytes.ts";
import {
  type Backend,
  backends,
  hasS3Server,
  openTestStorage,
  type TestStorage,
} from "../support/storages.ts";

const jpeg = { mediaType: "image/jpeg" };
const chunk = 524_288;
const part = 8 * 1024 * 1024;

const isHere = (backend: Backend) => backend !== "s3" || hasS3Server();

for (const backend of backends)
  describe.skipIf(!isHere(backend))(`storage in ${backend}`, () => testStorage(backend));

function testStorage(backend: Backend): void {
  let own: TestStorage;
  beforeAll(async () => {
    own = await openTestStorage(backend);
  });
  afterAll(() => own.remove());

  const put = (key: string, bytes: Uint8Array) => own.storage.put(key, streamOf(bytes), jpeg);
  async function read(key: string, range?: ByteRange): Promise<Buffer | null> {
    const object = await own.storage.get(key, range);
    return object && Buffer.from(await new Response(object.body).arrayBuffer());
  }
  async function list(prefix: string): Promise<ObjectInfo[]> {
    const found = await Array.fromAsync(own.storage.list(prefix));
    return found.sort((a, b) => (a.key < b.key ? -1 : 1));
  }
  /** Cleaning up is not waited for by who is told that it failed. */
  async function expectNothingLeft(key: string) {
    for (let i = 0; i < 40 && (await own.fragments(key)) > 0; i++) await Bun.sleep(50);
    expect(await own.fragments(key)).toBe(0);
    expect(await own.storage.stat(key)).toBeNull();
    expect(await own.storage.get(key)).toBeNull();
    expect(await list(key)).toEqual([]);
  }

  const sizes = [0, 1, 1000, chunk - 1, chunk, chunk + 1, 3 * chunk, part - 1, part, part + 1, 2 * part];
  test.each([...sizes, 2 * part + 1])("%d bytes come back as they went", async (size) => {
    const [key, bytes] = [newKey("originals"), someBytes(size)];
    await put(key, bytes);
    expect((await read(key))?.equals(bytes)).toBe(true);
    expect((await own.storage.get(key))?.size).toBe(size);
    const info = await own.storage.stat(key);
    expect(info).toEqual({ key, size, modifiedAt: expect.any(Date) });
    expect(Math.abs((info?.modifiedAt.getTime() ?? 0) - Date.now())).toBeLessThan(60_000);
    expect(await own.fragments(key)).toBe(0);
    await own.storage.delete(key);
  });

  test("any range is that part of the bytes, beside the size of the whole", async () => {
    const [key, bytes] = [newKey("originals"), someBytes(2 * chunk + 77)];
    await put(key, bytes);
    const offset = fc.oneof(
      fc.nat(bytes.length - 1),
      fc.constantFrom(0, chunk - 1, chunk, chunk + 1, 2 * chunk, bytes.length - 1),
    );
    const check = async (one: number, other: number) => {
      const range = { start: Math.min(one, other), end: Math.max(one, other) };
      expect((await own.storage.get(key, range))?.size).toBe(bytes.length);
      expect((await read(key, range))?.equals(bytes.subarray(range.start, range.end + 1))).toBe(true);
    };
    await fc.assert(fc.asyncProperty(offset, offset, check), { numRuns: 60 });
  });

  test("a range that spans parts of an upload", async () => {
    const [key, bytes] = [newKey("originals"), someBytes(part + chunk)];
    await put(key, bytes);
    const range = { start: part - 5, end: part + 5 };
    expect((await read(key, range))?.equals(bytes.subarray(part - 5, part + 6))).toBe(true);
  });

  test("what is not there is null, and deleting it no error", async () => {
    const key = newKey("originals");
    expect(await own.storage.get(key)).toBeNull();
    expect(await own.storage.get(key, { start: 0, end: 3 })).toBeNull();
    expect(await own.storage.stat(key)).toBeNull();
    await own.storage.delete(key);
  });

  test("what was deleted is gone, and nothing else", async () => {
    const key = newKey("thumbnails");
    const sibling = derivedKey("thumbnails", key, "512");
    await put(key, someBytes(chunk + 1));
    await put(sibling, someBytes(10));
    await own.storage.delete(key);
    expect(await own.storage.stat(key)).toBeNull();
    expect(await own.storage.get(key)).toBeNull();
    expect(await own.storage.stat(sibling)).not.toBeNull();
  });

  test("a file is taken over", async () => {
    const [key, bytes] = [newKey("originals"), someBytes(chunk + 3)];
    const path = join(tmpdir(), crypto.randomUUID());
    await writeFile(path, bytes);
    await own.storage.putFile(key, path, jpeg);
    expect((await read(key))?.equals(bytes)).toBe(true);
    expect(await Bun.file(path).exists()).toBe(false);
  });

  test("a file that is not there is an error, and no object", async () => {
    const key = newKey("originals");
    await expect(own.storage.putFile(key, join(tmpdir(), "nowhere"), jpeg)).rejects.toThrow();
    await expectNothingLeft(key);
  });

  test.each([0, 1000, chunk, chunk + 1, part + 1, 2 * part + 1])(
    "a stream that breaks after %d bytes leaves nothing",
    async (size) => {
      const key = newKey("originals");
      await expect(own.storage.put(key, brokenStreamOf(someBytes(size)), jpeg)).rejects.toThrow(
        "the sender went away",
      );
      await expectNothingLeft(key);
    },
  );

  test("nothing is seen of an object before it is whole", async () => {
    const [key, bytes] = [newKey("originals"), someBytes(part + 2 * chunk)];
    const gate = Promise.withResolvers<void>();
    const body = streamOf(bytes).pipeThrough(
      new TransformStream({
        async flush() {
          await gate.promise;
        },
      }),
    );
    const writing = own.storage.put(key, body, jpeg);
    await Bun.sleep(300);
    expect(await own.storage.get(key)).toBeNull();
    expect(await list("originals/")).not.toContainEqual(expect.objectContaining({ key }));
    gate.resolve();
    await writing;
    expect((await read(key))?.equals(bytes)).toBe(true);
  });

  test("many at once do not mix", async () => {
    const all = Array.from({ length: 12 }, (_, i) => ({
      key: newKey("originals"),
      bytes: someBytes(i * 300_000),
    }));
    await Promise.all(all.map(({ key, bytes }) => put(key, bytes)));
    await Promise.all(all.map(async ({ key, bytes }) => expect((await read(key))?.equals(bytes)).toBe(true)));
  });

  test("a key that is written again has the new bytes, and only those", async () => {
    const key = newKey("uploads");
    const [long, short] = [someBytes(3 * chunk + 5), someBytes(chunk + 1)];
    await put(key, long);
    await put(key, short);
    expect((await read(key))?.equals(short)).toBe(true);
    expect((await own.storage.stat(key))?.size).toBe(short.length);
    expect(await own.fragments(key)).toBe(0);
    await expect(own.storage.put(key, brokenStreamOf(long), jpeg)).rejects.toThrow("went away");
    expect((await read(key))?.equals(short)).toBe(true);
  });

  test("two who write a key at once: one of them has written it", async () => {
    const key = newKey("uploads");
    const both = [someBytes(5 * chunk), someBytes(4 * chunk + 9)];
    for (let i = 0; i < 5; i++) {
      await Promise.all([...both.map((bytes) => put(key, bytes)), own.storage.delete(key)]);
      const found = await read(key);
      expect(found === null || both.some((bytes) => bytes.equals(found))).toBe(true);
    }
    await put(key, both[0] as Buffer);
    expect((await read(key))?.equals(both[0] as Buffer)).toBe(true);
  });

  test.each(["deleted", "replaced"])(
    "who reads an object that is %s meanwhile, never reads a mix",
    async (how) => {
      const key = newKey("uploads");
      const old = someBytes(12 * part);
      await put(key, old);
      const object = await own.storage.get(key);
      const reader = (object?.body as Blob | ReadableStream<Uint8Array>) ?? null;
      const stream = reader instanceof Blob ? reader.stream() : reader;
      const taken: Uint8Array[] = [];
      const rest = stream.getReader();
      taken.push((await rest.read()).value as Uint8Array);
      if (how === "deleted") await own.storage.delete(key);
      else await put(key, someBytes(old.length));
      let outcome = "whole";
      try {
        for (let next = await rest.read(); next.value; next = await rest.read()) taken.push(next.value);
      } catch {
        outcome = "error";
      }
      const got = Buffer.concat(taken);
      expect(got.equals(old.subarray(0, got.length))).toBe(true);
      expect(outcome === "error" || got.length === old.length).toBe(true);
      await own.storage.delete(key);
    },
  );

  test("a body that is not wanted any more is let go", async () => {
    const [key, bytes] = [newKey("originals"), someBytes(2 * part)];
    await put(key, bytes);
    for (let i = 0; i < 20; i++) {
      const object = await own.storage.get(key);
      const stream = object?.body instanceof Blob ? object.body.stream() : object?.body;
      if (i % 2 === 0) {
        await stream?.cancel();
        continue;
      }
      const reader = stream?.getReader();
      expect((await reader?.read())?.value?.byteLength).toBeGreaterThan(0);
      await reader?.cancel();
    }
    expect((await read(key))?.equals(bytes)).toBe(true);
  });

  test("lists by the beginning of keys", async () => {
    const [a, b] = [newKey("avatars"), newKey("avatars")];
    const derived = derivedKey("avatars", a, "64");
    for (const [key, size] of [
      [a, 1],
      [b, 2],
      [derived, 3],
    ] as const)
      await put(key, someBytes(size));
    const found = (await list("avatars/")).map(({ key, size }) => ({ key, size }));
    expect(found).toHaveLength(3);
    for (const [key, size] of [
      [a, 1],
      [b, 2],
      [derived, 3],
    ] as const)
      expect(found).toContainEqual({ key, size });
    expect((await list(a)).map(({ key }) => key)).toEqual([a, derived]);
    expect((await list(a.slice(0, -20))).map(({ key }) => key)).toContain(a);
    expect((await list("avatars/")).every(({ modifiedAt }) => modifiedAt.getTime() > 0)).toBe(true);
    expect((await list("")).map(({ key }) => key)).toContain(b);
    expect(await list("probes/")).toEqual([]);
  });

  test("lists more than a page", async () => {
    const keys = Array.from({ length: 1005 }, () => newKey("thumbnails"));
    for (let i = 0; i < keys.length; i += 100)
      await Promise.all(keys.slice(i, i + 100).map((key) => put(key, Buffer.from("x"))));
    const found = new Set((await list("thumbnails/")).map(({ key }) => key));
    expect(keys.filter((key) => !found.has(key))).toEqual([]);
    expect((await list("thumbnails/")).length).toBe(found.size);
  });

  test("proves that it works, and leaves nothing of the proof", async () => {
    await own.storage.probe();
    expect(await list("probes/")).toEqual([]);
  });

  test("a write that is under way is no fragment to sweep", async () => {
    const [key, bytes] = [newKey("originals"), someBytes(part + chunk)];
    const slow = streamOf(bytes).pipeThrough(
      new TransformStream({
        async flush() {
          await own.storage.sweepFragments();
        },
      }),
    );
    await own.storage.put(key, slow, jpeg);
    expect((await read(key))?.equals(bytes)).toBe(true);
  });
}
