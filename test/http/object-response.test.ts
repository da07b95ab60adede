import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Server } from "bun";
import fc from "fast-check";
import { contentDisposition } from "../../src/http/content-disposition.ts";
import { errorResponse, toAppError } from "../../src/http/error-response.ts";
import { type ObjectToSend, objectResponse } from "../../src/http/object-response.ts";
import { openRaw, type RawAnswer, sendRaw } from "./raw.ts";

const small = Buffer.from(Array.from({ length: 1000 }, (_, n) => 33 + (n % 90)));
const large = Buffer.alloc(3 * 1024 * 1024, "0123456789abcdef!");
const folder = mkdtempSync(join(tmpdir(), "object-response-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Streams of which some have gone out, and how they ended. */
interface Streamed {
  bytes: number;
  cancelled: boolean;
}

function streamOf(content: Uint8Array, streamed: Streamed): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        await Bun.sleep(0);
        const chunk = content.subarray(streamed.bytes, streamed.bytes + 10_000);
        streamed.bytes += chunk.length;
        if (chunk.length > 0) controller.enqueue(chunk);
        else controller.close();
      },
      cancel() {
        streamed.cancelled = true;
      },
    },
    { highWaterMark: 0 },
  );
}

let object: ObjectToSend;
let opened: (object | null)[];
let streamed: Streamed;
let server: Server<undefined>;
beforeAll(() => {
  server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request) =>
      objectResponse(request, object).catch((error) => errorResponse(toAppError(error), "id")),
  });
});
afterAll(() => server.stop(true));

const bodies = {
  blob: (content: Buffer) => (start: number, end: number) => new Blob([content]).slice(start, end),
  file: (content: Buffer) => {
    const path = join(folder, crypto.randomUUID());
    writeFileSync(path, content);
    return (start: number, end: number) =>
      start === 0 && end === content.length ? Bun.file(path) : Bun.file(path).slice(start, end);
  },
  stream: (content: Buffer) => (start: number, end: number) =>
    streamOf(content.subarray(start, end), streamed),
};

function offer(content: Buffer, kind: keyof typeof bodies, change: Partial<ObjectToSend> = {}): void {
  opened = [];
  streamed = { bytes: 0, cancelled: false };
  const bodyOf = bodies[kind](content);
  object = {
    size: content.length,
    mediaType: "image/jpeg",
    etag: '"abc"',
    fileName: "photo.jpg",
    disposition: "inline",
    cacheControl: "private, max-age=900, immutable",
    async open(range) {
      opened.push(range);
      return { body: bodyOf(range?.start ?? 0, range ? range.end + 1 : content.length) };
    },
    ...change,
  };
}

async function ask(headers: Record<string, string> = {}, method = "GET"): Promise<RawAnswer> {
  const lines = Object.entries({ Host: "x", ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
  return sendRaw(server.url.href, `${method} / HTTP/1.1\r\n${lines.join("")}\r\n`);
}

/** The head of an answer that has no body, also none that a length tells of. */
async function askForHead(headers: Record<string, string>, method: string): Promise<RawAnswer> {
  const lines = Object.entries({ Host: "x", ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
  const connection = openRaw(server.url.href);
  connection.write(`${method} / HTTP/1.1\r\nConnection: close\r\n${lines.join("")}\r\n`);
  await connection.closed;
  return connection.answer(false);
}

const safety = {
  "x-content-type-options": "nosniff",
  "content-security-policy": "default-src 'none'; sandbox",
};

for (const kind of ["blob", "file", "stream"] as const) {
  describe(`a ${kind}`, () => {
    beforeEach(() => offer(small, kind));

    async function expectWhole(headers: Record<string, string>): Promise<void> {
      const answer = await ask(headers);
      expect(answer.status).toBe(200);
      expect(answer.headers).toMatchObject({
        "content-length": "1000",
        etag: '"abc"',
        "accept-ranges": "bytes",
      });
      expect(answer.headers).not.toHaveProperty("content-range");
      expect(answer.text).toBe(small.toString());
    }

    async function expectPart(headers: Record<string, string>, start: number, end: number): Promise<void> {
      opened = [];
      const answer = await ask(headers);
      streamed.bytes = 0;
      expect(answer.status).toBe(206);
      expect(answer.headers).toMatchObject({
        ...safety,
        "content-range": `bytes ${start}-${end}/1000`,
        "content-length": String(end - start + 1),
        "content-type": "image/jpeg",
        etag: '"abc"',
      });
      expect(answer.text).toBe(small.subarray(start, end + 1).toString());
      expect(opened).toEqual([{ start, end }]);
    }

    test("whole, with all its headers and no others", async () => {
      const { headers, text } = await ask();
      const { date, connection, ...rest } = headers;
      expect(rest).toEqual({
        ...safety,
        etag: '"abc"',
        "accept-ranges": "bytes",
        "cache-control": "private, max-age=900, immutable",
        "content-disposition": 'inline; filename="photo.jpg"',
        "content-length": "1000",
        "content-type": "image/jpeg",
      });
      expect(text).toBe(small.toString());
      expect(opened).toEqual([null]);
    });

    test("HEAD has the same headers, reads nothing, and knows no ranges", async () => {
      for (const range of [{}, { Range: "bytes=1-2" }, { Range: "bytes=5000-" }]) {
        const answer = await ask(range, "HEAD");
        expect(answer.status).toBe(200);
        expect(answer.headers).toMatchObject({
          ...safety,
          "content-length": "1000",
          "content-type": "image/jpeg",
        });
        expect(answer.headers).not.toHaveProperty("transfer-encoding");
      }
      expect(opened).toEqual([]);
    });

    test("parts", async () => {
      await expectPart({ Range: "bytes=0-0" }, 0, 0);
      await expectPart({ Range: "bytes=100-199" }, 100, 199);
      await expectPart({ Range: "bytes=990-" }, 990, 999);
      await expectPart({ Range: "bytes=-1" }, 999, 999);
      await expectPart({ Range: "BYTES=-1000" }, 0, 999);
      await expectPart({ Range: "bytes=-5000" }, 0, 999);
      await expectPart({ Range: "bytes=0-" }, 0, 999);
      await expectPart({ Range: "bytes=0-99999999999999999999" }, 0, 999);
      await expectPart({ Range: "bytes=10-20", "If-Range": '"abc"' }, 10, 20);
    });

    test("parts that are not there", async () => {
      for (const range of ["bytes=1000-", "bytes=1000-2000", "bytes=-0", "bytes=99999999999999999999-"]) {
        const answer = await ask({ Range: range });
        expect(answer.status).toBe(416);
        expect(answer.headers["content-range"]).toBe("bytes */1000");
        expect(answer.json).toMatchObject({ error: "RANGE_NOT_SATISFIABLE", details: null, requestId: "id" });
      }
      expect(opened).toEqual([]);
    });

    test.each([
      ["bytes"],
      ["bytes="],
      ["bytes=-"],
      ["bytes=a-b"],
      ["bytes=5-3"],
      ["bytes=+1-2"],
      ["bytes=0x1-2"],
      ["bytes=1-2-3"],
      ["items=0-1"],
      ["bytes 0-1"],
      ["bytes=0-1,5-6"],
      ["bytes=0-1,5000-"],
      ["bytes=5-3,0-1"],
    ])("whole for Range: %s", (range) => expectWhole({ Range: range }));

    test.each([['"other"'], ['W/"abc"'], ["Sun, 22 Nov 2026 18:00:00 GMT"], ["*"]])(
      "whole for a range If-Range: %s",
      async (condition) => {
        await expectWhole({ Range: "bytes=10-20", "If-Range": condition });
        streamed.bytes = 0;
        await expectWhole({ Range: "bytes=5000-", "If-Range": condition });
      },
    );

    test.each([
      ['"abc"'],
      ['W/"abc"'],
      ["*"],
      ['"x", "abc"'],
      ['W/"x",W/"abc","y"'],
      [' "abc" '],
      ['"a,b", "abc"'],
    ])("nothing new for If-None-Match: %s", async (known) => {
      for (const further of [{}, { Range: "bytes=1-2" }, { Range: "bytes=5000-" }]) {
        for (const method of ["GET", "HEAD"]) {
          const answer = await askForHead({ "If-None-Match": known, ...further }, method);
          expect(answer).toMatchObject({ status: 304, text: "" });
          expect(answer.headers).toMatchObject({ etag: '"abc"', "cache-control": object.cacheControl });
          expect(answer.headers).not.toHaveProperty("content-type");
        }
      }
      expect(opened).toEqual([]);
    });

    test.each([['"x"'], ["abc"], ['"abcd"'], ["W/abc"], [""], ['"*"']])(
      "whole for If-None-Match: %s",
      (known) => expectWhole({ "If-None-Match": known }),
    );

    test("of nothing", async () => {
      offer(Buffer.alloc(0), kind);
      expect(await ask()).toMatchObject({ status: 200, text: "", headers: { "content-length": "0" } });
      expect((await ask({ Range: "bytes=0-" })).status).toBe(416);
    });

    test("of some megabytes, and a large part of it", async () => {
      offer(large, kind);
      const whole = await fetch(server.url);
      expect(Buffer.from(await whole.arrayBuffer()).equals(large)).toBe(true);
      streamed.bytes = 0;
      const part = await fetch(server.url, { headers: { Range: "bytes=100-2000000" } });
      expect([part.status, part.headers.get("content-range")]).toEqual([
        206,
        `bytes 100-2000000/${large.length}`,
      ]);
      expect(Buffer.from(await part.arrayBuffer()).equals(large.subarray(100, 2_000_001))).toBe(true);
      // The runtime gives streams no length; when it does, this is to be said of them, too.
      expect(whole.headers.get("content-length")).toBe(kind === "stream" ? null : String(large.length));
    });
  });
}

describe("a stream", () => {
  async function until(condition: () => boolean): Promise<void> {
    for (let n = 0; n < 500 && !condition(); n++) await Bun.sleep(10);
    expect(condition()).toBe(true);
  }

  test("waits for a client that takes nothing, and is cancelled when that goes", async () => {
    offer(Buffer.alloc(64 * 1024 * 1024), "stream");
    const { socket } = openRaw(server.url.href);
    socket.pause();
    socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    await until(() => streamed.bytes > 0);
    let before = -1;
    while (before !== streamed.bytes) {
      before = streamed.bytes;
      await Bun.sleep(300);
    }
    expect(streamed.bytes).toBeLessThan(32 * 1024 * 1024);
    expect(streamed.cancelled).toBe(false);
    socket.destroy();
    await until(() => streamed.cancelled);
  });

  test("that is shorter than it should be is no whole answer", async () => {
    offer(small, "stream", { size: 2000 });
    expect((await ask()).status).toBe(500);
  });
});

test("an object that is gone", async () => {
  offer(small, "blob", { open: async () => null });
  expect(await ask()).toMatchObject({ status: 404, json: { error: "NOT_FOUND" } });
});

describe("what may be shown in place", () => {
  const types = ["jpeg", "png", "webp", "gif", "avif", "heic", "heif"].map((name) => `image/${name}`);
  const others = ["image/svg+xml", "text/html", "application/pdf", "image/jpegx", "application/octet-stream"];

  test("are pictures, and nothing else", async () => {
    for (const mediaType of [...types, ...others]) {
      offer(small, "blob", { mediaType });
      const { headers } = await ask();
      expect(headers).toMatchObject({ ...safety, "content-type": mediaType });
      const disposition = types.includes(mediaType) ? "inline" : "attachment";
      expect(headers["content-disposition"]).toBe(`${disposition}; filename="photo.jpg"`);
    }
    offer(small, "blob", { disposition: "attachment" });
    expect((await ask()).headers["content-disposition"]).toStartWith("attachment;");
  });
});

describe("Content-Disposition", () => {
  test.each([
    ["photo 1.jpg", 'inline; filename="photo 1.jpg"'],
    ["größe.jpg", "inline; filename=\"gr__e.jpg\"; filename*=UTF-8''gr%C3%B6%C3%9Fe.jpg"],
    ["😀.jpg", "inline; filename=\"_.jpg\"; filename*=UTF-8''%F0%9F%98%80.jpg"],
    ['a"b.jpg', "inline; filename=\"a_b.jpg\"; filename*=UTF-8''a%22b.jpg"],
    ["50%20.jpg", "inline; filename=\"50_20.jpg\"; filename*=UTF-8''50%2520.jpg"],
    ["a\r\nSet-Cookie: x", 'inline; filename="a__Set-Cookie: x"'],
    ["../../etc/passwd", 'inline; filename=".._.._etc_passwd"'],
    ["C:\\x\0", 'inline; filename="C:_x_"'],
    ["", 'inline; filename="file"'],
    ["\ud83d", "inline; filename=\"_\"; filename*=UTF-8''%EF%BF%BD"],
    ["ä'()*", "inline; filename=\"_'()*\"; filename*=UTF-8''%C3%A4%27%28%29%2A"],
  ])("%j", (name, header) => expect(contentDisposition("inline", name)).toBe(header));

  test("of any name is a header that says one name", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 300 }), (name) => {
        const header = contentDisposition("attachment", name);
        expect(header).toMatch(
          /^attachment; filename="[ !#$&-[\]-~]+"(; filename\*=UTF-8''[\w.!~%$&+^`|#-]+)?$/,
        );
        new Headers({ "Content-Disposition": header });
      }),
    );
  });
});
