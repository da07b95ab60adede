import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Server } from "bun";
import { Elysia } from "elysia";
import { connect, parseDatabaseUrl } from "../../src/database/client.ts";
import { errorResponse, toAppError } from "../../src/http/error-response.ts";
import { PublicAddress } from "../../src/http/public-address.ts";
import { DirectoryStorage } from "../../src/storage/directory-storage.ts";
import { derivedKey, newKey } from "../../src/storage/object-key.ts";
import { announce, destroy } from "../../src/storage/references.ts";
import { SignedUrls } from "../../src/storage/signed-urls.ts";
import { storageRoutes } from "../../src/storage/storage-routes.ts";
import { openRaw } from "../http/raw.ts";
import { createTestDatabase } from "../support/shared-postgres.ts";

const own = await createTestDatabase();
const database = connect(parseDatabaseUrl(own.url), 2);
const folder = mkdtempSync(join(tmpdir(), "storage-routes-"));
const storage = new DirectoryStorage(join(folder, "pictures"));
const address = new PublicAddress(undefined);
const signedUrls = new SignedUrls({ secret: crypto.getRandomValues(new Uint8Array(32)), address });
const asked: string[] = [];
let preview: Buffer | null = null;
const previews = {
  async ensure(key: string): Promise<boolean> {
    asked.push(key);
    if (preview) await storage.put(key, new Blob([preview]).stream());
    return preview !== null;
  },
};

let server: Server<undefined>;
beforeAll(() => {
  const app = new Elysia()
    .onError({ as: "global" }, ({ error }) => errorResponse(toAppError(error), "id"))
    .use(storageRoutes({ db: database.db, storage, signedUrls, previews }));
  server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    fetch: (request) => app.handle(request),
  });
  address.listening(server.url.href);
});
afterAll(async () => {
  await server.stop(true);
  await database.close();
  await own.drop();
  rmSync(folder, { recursive: true });
});
beforeEach(() => {
  asked.length = 0;
  preview = null;
});

const content = Buffer.from("a picture, or so it says. ".repeat(100));
const picture = { mediaType: "image/jpeg", fileName: "photo.jpg" };
async function stored(area: "originals" | "avatars" = "originals"): Promise<string> {
  const key = newKey(area);
  await storage.put(key, new Blob([content]).stream());
  return key;
}

async function expectError(response: Response, status: number, code: string): Promise<void> {
  expect(response.status).toBe(status);
  expect(await response.json()).toMatchObject({ error: code, requestId: "id" });
}

/** Files that are left anywhere in the storage, but for whole objects. */
const fragments = async () => readdir(join(folder, "pictures/incoming")).catch(() => []);

describe("GET", () => {
  test("hands an object out", async () => {
    const key = await stored();
    const response = await fetch(signedUrls.get(key, picture));
    expect(response.status).toBe(200);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      etag: `"${key.split("/")[1]}"`,
      "cache-control": "private, max-age=900, immutable",
      "content-type": "image/jpeg",
      "content-length": String(content.length),
      "content-disposition": 'inline; filename="photo.jpg"',
      "x-content-type-options": "nosniff",
    });
    expect(Buffer.from(await response.arrayBuffer()).equals(content)).toBe(true);
    expect(asked).toEqual([]);
  });

  test("a part, and nothing to who has it already", async () => {
    const url = signedUrls.get(await stored("avatars"), picture);
    const part = await fetch(url, { headers: { Range: "bytes=2-8" } });
    expect([part.status, await part.text()]).toEqual([206, "picture"]);
    expect(part.headers.get("content-range")).toBe(`bytes 2-8/${content.length}`);
    const etag = part.headers.get("etag") ?? "";
    expect((await fetch(url, { headers: { "If-None-Match": etag } })).status).toBe(304);
    await expectError(await fetch(url, { headers: { Range: "bytes=9999-" } }), 416, "RANGE_NOT_SATISFIABLE");
  });

  test("HEAD says what GET would", async () => {
    const response = await fetch(signedUrls.get(await stored(), picture), { method: "HEAD" });
    expect(response.status).toBe(200);
    expect(response.headers.get("content-length")).toBe(String(content.length));
    expect(await response.text()).toBe("");
  });

  test("404 for what is gone, 403 for what was not signed", async () => {
    const key = newKey("originals");
    await expectError(await fetch(signedUrls.get(key, picture)), 404, "NOT_FOUND");
    await expectError(await fetch(`${server.url}storage/${await stored()}`), 403, "FORBIDDEN");
    await expectError(await fetch(`${signedUrls.get(await stored(), picture)}x`), 403, "FORBIDDEN");
    await expectError(await fetch(`${server.url}storage/`), 403, "FORBIDDEN");
    for (const method of ["PUT", "HEAD"]) {
      const response = await fetch(signedUrls.put(await stored(), { mediaType: "image/jpeg", size: 1 }), {
        method,
      });
      expect(response.status).toBe(403);
    }
  });

  test("405 for other methods", async () => {
    for (const method of ["POST", "DELETE", "PATCH", "OPTIONS"]) {
      const response = await fetch(signedUrls.get(await stored(), picture), { method });
      expect(response.headers.get("allow")).toBe("GET, HEAD, PUT");
      await expectError(response, 405, "METHOD_NOT_ALLOWED");
    }
  });

  test("makes previews that are asked for", async () => {
    const key = derivedKey("thumbnails", await stored(), "512");
    const url = signedUrls.get(key, picture);
    await expectError(await fetch(url), 404, "NOT_FOUND");
    preview = Buffer.from("small");
    expect(await (await fetch(url)).text()).toBe("small");
    expect(asked).toEqual([key, key]);
    await expectError(await fetch(url.replace("512", "513")), 403, "FORBIDDEN");
    expect(asked).toHaveLength(2);
  });
});

describe("PUT", () => {
  const upload = async (size = content.length) => {
    const key = newKey("uploads");
    await announce(database.db, key);
    return { key, url: signedUrls.put(key, { mediaType: "image/heic", size }) };
  };
  const chunked = (bytes: Uint8Array) =>
    new ReadableStream<Uint8Array>({
      async start(controller) {
        for (let at = 0; at < bytes.length; at += 500) {
          controller.enqueue(bytes.subarray(at, at + 500));
          await Bun.sleep(1);
        }
        controller.close();
      },
    });
  const send = (
    url: string,
    body: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> | null,
    headers: Record<string, string> = {},
  ) => fetch(url, { method: "PUT", body, headers });

  async function expectNothingKept(key: string): Promise<void> {
    for (let n = 0; n < 100 && (await fragments()).length > 0; n++) await Bun.sleep(10);
    expect(await fragments()).toEqual([]);
    expect(await storage.stat(key)).toBeNull();
  }

  test("stores what was announced, in one piece or chunked", async () => {
    for (const [body, headers] of [
      [content, { "Content-Type": "image/heic" }],
      [content, {}],
      [content, { "Content-Type": "IMAGE/HEIC; a=b" }],
      [chunked(content), { "Content-Type": "image/heic" }],
    ] as const) {
      const { key, url } = await upload();
      const response = await send(url, body, headers);
      expect([response.status, await response.text()]).toEqual([200, ""]);
      expect(response.headers.get("etag")).toBe(`"${key.split("/")[1]}"`);
      expect(await (await fetch(signedUrls.get(key, picture))).text()).toBe(content.toString());
    }
  });

  test("refuses more and fewer bytes, announced or not, and keeps nothing", async () => {
    for (const body of [() => content, () => chunked(content)]) {
      for (const [size, status, code] of [
        [content.length - 1, 413, "PAYLOAD_TOO_LARGE"],
        [1, 413, "PAYLOAD_TOO_LARGE"],
        [content.length + 1, 400, "VALIDATION_ERROR"],
      ] as const) {
        const { key, url } = await upload(size);
        await expectError(await send(url, body()), status, code);
        await expectNothingKept(key);
      }
    }
    const { key, url } = await upload();
    await expectError(await send(url, null), 400, "VALIDATION_ERROR");
    await expectNothingKept(key);
  });

  test("refuses what nobody waits for any longer", async () => {
    const { key, url } = await upload();
    await destroy(database.db, storage, key);
    await expectError(await send(url, content), 403, "FORBIDDEN");
    await expectNothingKept(key);
  });

  test("refuses another type, another place, another method", async () => {
    await expectError(
      await send((await upload()).url, content, { "Content-Type": "image/png" }),
      400,
      "VALIDATION_ERROR",
    );
    const key = newKey("originals");
    const url = signedUrls.put(key, { mediaType: "image/heic", size: content.length });
    await expectError(await send(url, content), 403, "FORBIDDEN");
    await expectError(await send(signedUrls.get(newKey("uploads"), picture), content), 403, "FORBIDDEN");
    await expectNothingKept(key);
  });

  const putHead = (url: string, headers: string) =>
    `PUT ${url.slice(server.url.href.length - 1)} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n\r\n`;

  test("413 comes before the body does", async () => {
    const { key, url } = await upload();
    const announced = openRaw(server.url.href);
    announced.write(putHead(url, "Content-Length: 999999999"));
    expect(await announced.answer()).toMatchObject({ status: 413, json: { error: "PAYLOAD_TOO_LARGE" } });
    announced.socket.destroy();
    const unannounced = openRaw(server.url.href);
    unannounced.write(putHead(url, "Transfer-Encoding: chunked"));
    unannounced.write(`${(content.length + 1).toString(16)}\r\n${content}!\r\n`);
    expect(await unannounced.answer()).toMatchObject({ status: 413, json: { error: "PAYLOAD_TOO_LARGE" } });
    unannounced.socket.destroy();
    await expectNothingKept(key);
  });

  test("a client that goes away leaves nothing", async () => {
    const { key, url } = await upload();
    for (const headers of [`Content-Length: ${content.length}`, "Transfer-Encoding: chunked"]) {
      const connection = openRaw(server.url.href);
      connection.write(putHead(url, headers));
      connection.write(headers.startsWith("C") ? "half" : "4\r\nhalf\r\n");
      for (let n = 0; n < 100 && (await fragments()).length === 0; n++) await Bun.sleep(10);
      expect(await fragments()).toHaveLength(1);
      connection.socket.destroy();
      await expectNothingKept(key);
    }
  });

  test("400 MB go through without staying in memory", async () => {
    const piece = Buffer.alloc(1024 * 1024, 7);
    const size = 400 * piece.length;
    const { key, url } = await upload(size);
    Bun.gc(true);
    const before = process.memoryUsage.rss();
    let most = 0;
    const connection = openRaw(server.url.href);
    connection.write(putHead(url, `Content-Length: ${size}`));
    for (let n = 0; n < 400; n++) {
      if (!connection.socket.write(piece))
        await new Promise<void>((resolve) => connection.socket.once("drain", () => resolve()));
      most = Math.max(most, process.memoryUsage.rss() - before);
    }
    expect((await connection.answer()).status).toBe(200);
    connection.socket.destroy();
    expect((await storage.stat(key))?.size).toBe(size);
    if (Bun.env.SHOW_MEMORY) console.log(`rss grew by ${Math.round(most / 1e6)} MB`);
    // Half of it: pieces that are done with wait for the collector, longer on a machine that is busy.
    expect(most).toBeLessThan(size / 2);
  });
});
