import { describe, expect, test } from "bun:test";
import { Archive } from "../../src/exports/archive.ts";
import { photoPath } from "../../src/exports/photo-path.ts";
import { until } from "../support/until.ts";
import { unzip } from "./archives.ts";

const date = "2025-11-17T10:00:00.000Z";
const megabyte = 1024 * 1024;

/** Pieces that cannot be compressed; tells how many were asked for. */
function pieces(count: number, size = megabyte) {
  const asked = { count: 0, ended: false };
  async function* content(): AsyncGenerator<Uint8Array> {
    try {
      for (let piece = 0; piece < count; piece++) {
        asked.count++;
        // As what comes from a disk: nothing else would get its turn.
        await Bun.sleep(0);
        yield crypto.getRandomValues(new Uint8Array(65_536)).slice(0, Math.min(size, 65_536));
        for (let filled = 65_536; filled < size; filled += 65_536)
          yield crypto.getRandomValues(new Uint8Array(65_536));
      }
    } finally {
      asked.ended = true;
    }
  }
  return { asked, content };
}

describe("an archive", () => {
  test("has what was put into it, and knows its own size and hash", async () => {
    const archive = new Archive();
    const reading = new Response(archive.bytes).bytes();
    async function* lines() {
      for (let line = 0; line < 30_000; line++) yield `line ${line} ü\n`;
    }
    await archive.add({ name: "lines.txt", date }, lines());
    await archive.add({ name: "photos/x.jpg", date, isPacked: true }, pieces(3).content());
    await archive.add({ name: "empty.txt", date }, (async function* () {})());
    await archive.end();
    const bytes = await reading;
    const files = await unzip(bytes);
    expect([...files.keys()]).toEqual(["lines.txt", "photos/x.jpg", "empty.txt"]);
    expect(files.get("lines.txt")?.toString().split("\n")).toHaveLength(30_001);
    expect(files.get("photos/x.jpg")?.byteLength).toBe(3 * megabyte);
    expect(bytes.byteLength).toBeLessThan(3.3 * megabyte);
    expect(archive.fingerprint()).toEqual({
      size: bytes.byteLength,
      sha256: new Bun.CryptoHasher("sha256").update(bytes).digest("hex"),
    });
  });

  test("takes no more than somebody reads", async () => {
    const archive = new Archive();
    const { asked, content } = pieces(1000);
    const adding = archive.add({ name: "large", date, isPacked: true }, content()).catch((error) => error);
    const reader = archive.bytes.getReader();
    let read = 0;
    while (read < 5 * megabyte) read += (await reader.read()).value?.byteLength ?? 0;
    // Long enough for whatever would run ahead to do so.
    await Bun.sleep(200);
    expect(asked.count).toBeLessThan(10);
    await reader.cancel();
    expect(await adding).toBeInstanceOf(Error);
    await until(() => asked.ended);
  });

  test("fails for its reader when what goes into it does", async () => {
    const archive = new Archive();
    const reading = new Response(archive.bytes).bytes();
    reading.catch(() => {});
    async function* broken() {
      yield "something";
      throw new Error("the source broke");
    }
    await expect(archive.add({ name: "x", date }, broken())).rejects.toThrow("the source broke");
    await expect(reading).rejects.toThrow("the source broke");
    await expect(archive.add({ name: "y", date }, broken())).rejects.toThrow("the source broke");
  });

  test("fails for both when it is broken off", async () => {
    const archive = new Archive();
    const reading = new Response(archive.bytes).bytes();
    reading.catch(() => {});
    const { asked, content } = pieces(1e6);
    const adding = archive.add({ name: "endless", date, isPacked: true }, content());
    adding.catch(() => {});
    await until(() => asked.count > 2);
    archive.fail(new Error("enough"));
    await expect(adding).rejects.toThrow("enough");
    await expect(reading).rejects.toThrow("enough");
    await until(() => asked.ended);
  });
});

describe("the name of a picture", () => {
  const at = "2025-11-17T10:00:00.123Z";
  test("says when it was taken", () => {
    expect(photoPath("photo_x", at, "image/jpeg")).toBe("photos/2025-11-17_10-00-00_photo_x.jpg");
  });

  test("is one on any system, and another for every photo", () => {
    const long = "x".repeat(128);
    const ids = [
      "a:b",
      "a_b",
      "A:B",
      "A_b",
      "a.b",
      "a.b.",
      "-",
      "..",
      long,
      `${long.slice(1)}y`,
      "CON",
      "con",
    ];
    const paths = ids.map((id) => photoPath(id, at, "image/heic"));
    expect(new Set(paths.map((path) => path.toLowerCase())).size).toBe(ids.length);
    for (const path of paths) {
      expect(path).toMatch(/^photos\/[0-9a-z._~-]{1,110}\.heic$/);
    }
  });
});
