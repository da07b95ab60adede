import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type AppError, errorStatus } from "../errors.ts";
import { maxParts, readMultipart } from "./multipart.ts";
import { maxHeaderBytes } from "./part-reader.ts";

const boundary = "b-42";
const formType = `multipart/form-data; boundary=${boundary}`;

/** Chunks come one at a time, as they are asked for. */
function streamOf(
  chunks: readonly Uint8Array[],
  end: "close" | "error" = "close",
): ReadableStream<Uint8Array> {
  const left = [...chunks];
  return new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const chunk = left.shift();
        if (chunk) controller.enqueue(chunk);
        else if (end === "close") controller.close();
        else controller.error(new Error("connection lost"));
      },
    },
    { highWaterMark: 0 },
  );
}

const request = (
  body: string | Uint8Array | ReadableStream<Uint8Array>,
  contentType: string | null = formType,
) =>
  new Request("http://localhost/", {
    method: "POST",
    headers: contentType === null ? {} : { "Content-Type": contentType },
    body: body instanceof ReadableStream ? body : streamOf([Buffer.from(body)]),
  });

interface Read {
  name: string;
  fileName: string | null;
  headers: Record<string, string>;
  content: string;
}

const contentOf = async (body: ReadableStream<Uint8Array>) =>
  Buffer.from(await new Response(body).arrayBuffer()).toString("latin1");

async function readAll(from: Request): Promise<Read[]> {
  const parts: Read[] = [];
  for await (const { name, fileName, headers, body } of readMultipart(from)) {
    parts.push({ name, fileName, headers: Object.fromEntries(headers), content: await contentOf(body) });
  }
  return parts;
}

async function errorOf(from: Request): Promise<AppError> {
  try {
    await readAll(from);
  } catch (error) {
    return error as AppError;
  }
  throw new Error("nothing was thrown");
}

async function expectInvalid(from: Request, words: RegExp): Promise<void> {
  const error = await errorOf(from);
  expect(error).toMatchObject({ code: "VALIDATION_ERROR", status: 400 });
  expect(Object.values(error.extras.details ?? {}).join()).toMatch(words);
}

const disposition = 'Content-Disposition: form-data; name="a"';
const part = (headers: string, content: string) => `--${boundary}\r\n${headers}\r\n\r\n${content}\r\n`;
const closing = `--${boundary}--\r\n`;
const form = (headers: string, content = "x") => part(headers, content) + closing;

describe("a form", () => {
  test("of two parts, with what stands around them", async () => {
    const body = `preamble\r\n--no\r\n${part(disposition, "1\r\n2")}--${boundary}\t \r\n${disposition}; filename=f\r\nContent-Type:  image/jpeg \r\n\r\n3\r\n${closing}epilogue --${boundary}\r\n`;
    expect(await readAll(request(body))).toEqual([
      {
        name: "a",
        fileName: null,
        headers: { "content-disposition": 'form-data; name="a"' },
        content: "1\r\n2",
      },
      {
        name: "a",
        fileName: "f",
        headers: { "content-disposition": 'form-data; name="a"; filename=f', "content-type": "image/jpeg" },
        content: "3",
      },
    ]);
  });

  test("without parts", async () => {
    for (const body of [closing, `\r\n${closing}`, `--${boundary}--`, `--${boundary}-- \t`]) {
      expect(await readAll(request(body))).toEqual([]);
    }
  });

  test("with empty parts, also without the line end between", async () => {
    const bare = `--${boundary}\r\n${disposition}\r\n\r\n${closing}`;
    expect((await readAll(request(form(disposition, "")))).map(({ content }) => content)).toEqual([""]);
    expect((await readAll(request(bare))).map(({ content }) => content)).toEqual([""]);
  });

  test("made by the runtime", async () => {
    const data = new FormData();
    data.set("note", "ä\r\n");
    data.set("file", new File([new Uint8Array(300_000).fill(13)], 'photo "1".jpg', { type: "image/jpeg" }));
    const [note, file] = await readAll(new Request("http://localhost/", { method: "POST", body: data }));
    expect(Buffer.from(note?.content ?? "", "latin1").toString()).toBe("ä\r\n");
    expect(file).toMatchObject({ name: "file", content: "\r".repeat(300_000) });
    expect(file?.fileName).toMatch(/^photo .*1.*\.jpg$/);
  });

  test("whose parts are left unread, or half read, is read on", async () => {
    const big = "y".repeat(1000);
    const body = Buffer.from(part(disposition, big).repeat(3) + closing);
    const chunks = Array.from({ length: Math.ceil(body.length / 7) }, (_, i) =>
      body.subarray(i * 7, i * 7 + 7),
    );
    const seen: ReadableStream<Uint8Array>[] = [];
    for await (const { body } of readMultipart(request(streamOf(chunks)))) {
      seen.push(body);
      if (seen.length === 2) await body.getReader().read();
    }
    expect(seen).toHaveLength(3);
    await expect(contentOf(seen[0] as ReadableStream<Uint8Array>)).rejects.toThrow("left for the next");
  });

  test("is read no further than its parts are", async () => {
    let pulled = 0;
    const endless = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          controller.enqueue(
            Buffer.from(pulled++ === 0 ? part(disposition, "").slice(0, -2) : "z".repeat(1000)),
          );
        },
      },
      { highWaterMark: 0 },
    );
    const whole = request(endless);
    for await (const { body } of readMultipart(whole)) {
      const reader = body.getReader();
      for (let n = 0; n < 5; n++) await reader.read();
      break;
    }
    expect(whole.body?.locked).toBe(false);
    expect(pulled).toBeLessThan(10);
  });

  test("whose part is given up while it waits for bytes is read on", async () => {
    const bytes = Buffer.from(part(disposition, "1") + part(disposition, "second") + closing);
    const arrived = bytes.indexOf("1\r\n") + 1;
    const slow = new ReadableStream<Uint8Array>({
      async start(controller) {
        controller.enqueue(bytes.subarray(0, arrived));
        for (let at = arrived; at < bytes.length; at++) {
          await Bun.sleep(0);
          controller.enqueue(bytes.subarray(at, at + 1));
        }
        controller.close();
      },
    });
    const contents: string[] = [];
    for await (const { body } of readMultipart(request(slow))) {
      if (contents.push("") > 1) contents[1] = await contentOf(body);
      else {
        const reader = body.getReader();
        await reader.read();
        void reader.read();
        await reader.cancel();
      }
    }
    expect(contents).toEqual(["", "second"]);
  });
});

describe("Content-Disposition", () => {
  const readings: [line: string, name: string, fileName: string | null][] = [
    // What the phones in the field send.
    ['form-data; name=file; form-data; name="file"; filename="photo.jpg"', "file", "photo.jpg"],
    ['form-data; name=metadata; form-data; name="metadata"', "metadata", null],
    ["form-data; name=a", "a", null],
    ["Form-Data;NAME=a;FileName=b", "a", "b"],
    ['form-data; name="a;b=\\"c\\"; name=d"; filename="x\\\\y"', 'a;b="c"; name=d', "x\\y"],
    ['form-data; name="a"; filename="C:\\dir\\photo.jpg"', "a", "C:\\dir\\photo.jpg"],
    ['form-data; name="a"; filename="größe 😀.jpg"', "a", "größe 😀.jpg"],
    ['form-data; name="a"; filename="plain.jpg"; filename*=UTF-8\'\'gr%C3%B6%C3%9Fe.jpg', "a", "größe.jpg"],
    ['form-data; name="a"; filename="plain.jpg"; filename*=UTF-8\'\'%E4.jpg', "a", "plain.jpg"],
    ["form-data; name=\"a\"; filename*=utf-8'en'%E2%82%AC", "a", "€"],
    ['form-data; name=""; filename=""', "", ""],
    ['form-data ; name = "a" ; filename = two words.jpg ;', "a", "two words.jpg"],
    ['form-data; name="a";\r\n filename="folded.jpg"', "a", "folded.jpg"],
  ];
  test.each(readings)("%s", async (line, name, fileName) => {
    for (const header of [`Content-Disposition: ${line}`, `CONTENT-DISPOSITION:${line}`]) {
      expect(await readAll(request(form(header)))).toMatchObject([{ name, fileName, content: "x" }]);
    }
  });

  test.each([
    "form-data",
    "form-data; filename=a",
    "attachment; name=a",
    "name=a",
    'form-data; name="a',
    'form-data; name="a"b',
    'form-data; name=a"b"',
    "form-data; name=a; name=b",
    'form-data; name=file; form-data; name="other"',
    'form-data; name=a; filename="b"; filename="c"',
    "form-data; name=a; =b",
  ])("refused: %s", (line) =>
    expectInvalid(request(form(`Content-Disposition: ${line}`)), /Content-Disposition is malformed/),
  );
});

describe("headers of a part", () => {
  test.each([
    "",
    "no colon",
    `${disposition}\r\n: x`,
    `${disposition}\r\nbad name: x`,
    `${disposition}\r\nX: a\nb`,
    `${disposition}\r\nX: a\rb`,
    `${disposition}\r\nX: a\0b`,
    `${disposition}\nX: y`,
    `${disposition}\r\n${disposition}`,
    " leading: fold",
  ])("refused: %j", (headers) => expectInvalid(request(form(headers)), /part/));

  test("line feeds alone are no line ends", () =>
    expectInvalid(request(form(disposition).replaceAll("\r", "")), /ends before/));

  test("may have 16 KB, and no byte more, however they arrive", async () => {
    for (const size of [1, 4096, 1_000_000]) {
      const filled = (bytes: number) => `${disposition}\r\nX: `.padEnd(bytes, "x");
      const chunked = (text: string) =>
        streamOf(
          Array.from({ length: Math.ceil(text.length / size) }, (_, i) =>
            Buffer.from(text.slice(i * size, (i + 1) * size)),
          ),
        );
      expect(await readAll(request(chunked(form(filled(maxHeaderBytes)))))).toHaveLength(1);
      await expectInvalid(request(chunked(form(filled(maxHeaderBytes + 1)))), /16384 bytes of headers/);
    }
  });

  test("that never end are given up", async () => {
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(Buffer.from(`--${boundary}\r\nx`.padEnd(1000, "x"))),
    });
    await expectInvalid(request(endless), /bytes of headers/);
  });
});

describe("limits and errors", () => {
  test("20 parts, not 21", async () => {
    expect(await readAll(request(part(disposition, "x").repeat(maxParts) + closing))).toHaveLength(20);
    await expectInvalid(request(part(disposition, "x").repeat(maxParts + 1) + closing), /more than 20 parts/);
  });

  test("415 for what is no form", async () => {
    for (const type of [
      null,
      "application/json",
      "multipart/mixed; boundary=x",
      "multipart/form-datax; boundary=x",
    ]) {
      const error = await errorOf(request(closing, type));
      expect(error).toMatchObject({
        code: "UNSUPPORTED_MEDIA_TYPE",
        status: errorStatus.UNSUPPORTED_MEDIA_TYPE,
      });
    }
  });

  test("boundaries have 1 to 70 characters, quoted or not", async () => {
    const boundaries = ["b", "b".repeat(70), "a b;c=d'()+_,-./:=?e", "--", "=_x"];
    for (const text of boundaries) {
      const body = form(disposition).replaceAll(boundary, text);
      const types = [
        `multipart/form-data; boundary="${text}"`,
        `Multipart/Form-Data;charset=utf-8; BOUNDARY="${text}"`,
      ];
      if (!/[; "]/.test(text)) types.push(`multipart/form-data; boundary=${text}`);
      for (const type of types) expect(await readAll(request(body, type))).toMatchObject([{ content: "x" }]);
    }
    const refused = [
      "",
      "; boundary=",
      '; boundary=""',
      `; boundary=${"b".repeat(71)}`,
      "; boundary=a; boundary=b",
    ];
    refused.push('; boundary="a', '; boundary="a "', '; boundary="\u00e4"');
    for (const rest of refused)
      await expectInvalid(request(closing, `multipart/form-data${rest}`), /boundary/);
  });

  test("a body cut at any byte before its closing boundary is not whole", async () => {
    const body = `pre\r\n${part(`${disposition}; filename=b`, "one\r\n-")}${part(disposition, "")}${closing}`;
    const needed = body.length - 2;
    for (let length = 0; length <= body.length; length++) {
      const from = request(body.slice(0, length));
      if (length >= needed) expect(await readAll(from)).toHaveLength(2);
      else await expectInvalid(from, /ends before its closing boundary/);
    }
    await expectInvalid(
      new Request("http://localhost/", { method: "POST", headers: { "Content-Type": formType } }),
      /ends/,
    );
  });

  test("a client that goes away", async () => {
    const body = form(disposition, "content");
    for (const length of [0, 10, 50, body.length - 4]) {
      const from = request(streamOf([Buffer.from(body.slice(0, length))], "error"));
      await expectInvalid(from, /did not arrive whole/);
    }
  });
});

describe("any content, cut anywhere", () => {
  const snippets = [
    "\r",
    "\n",
    "\r\n",
    "-",
    "--",
    boundary,
    `\r\n--${boundary}`,
    `--${boundary}`,
    `\r\n--${boundary}-`,
  ];
  snippets.push(
    `\r\n--${boundary}x`,
    `\r\n--${boundary}--x`,
    `\n--${boundary}\n`,
    `\r\n--${boundary} \t.`,
    `\r\n--${boundary.slice(0, -1)}`,
  );
  snippets.push(
    `\r\n--${boundary}${" ".repeat(64)}`,
    `\r\n--${boundary}${" ".repeat(65)}`,
    "\r\r\n",
    " ",
    "x",
  );
  /** No content may hold a boundary line; one begins it, too, for the line before it ends the headers. */
  const isContent = (text: string) =>
    !new RegExp(`\r\n--${boundary}(--)?[ \t]{0,64}(\r\n|\r?$)`).test(`\r\n${text}`);
  const content = fc
    .oneof(
      fc.array(fc.constantFrom(...snippets), { maxLength: 12 }).map((list) => list.join("")),
      fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes).toString("latin1")),
    )
    .filter(isContent);

  const cut = (body: Buffer, sizes: readonly number[]) => {
    const chunks: Buffer[] = [];
    for (let at = 0, i = 0; at < body.length; i++) {
      const size = sizes[i % sizes.length] ?? 1;
      chunks.push(body.subarray(at, at + size));
      at += size;
    }
    return chunks;
  };

  test("comes out as it went in", () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(content, { maxLength: 4 }),
        fc.oneof(
          fc.constant([1]),
          fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 20 }),
        ),
        async (contents, sizes) => {
          const body = contents.map((text) => part(disposition, text)).join("") + closing;
          const from = request(streamOf(cut(Buffer.from(body, "latin1"), sizes)));
          expect((await readAll(from)).map((read) => read.content)).toEqual(contents);
        },
      ),
      { numRuns: 3000 },
    ));
});
