import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { unavailable } from "../../src/errors.ts";
import { sniffedBytes, sniffMediaType } from "../../src/images/media-type.ts";
import { createLog } from "../../src/log.ts";
import { Previews } from "../../src/photos/previews/previews.ts";
import { sizes, thumbnailKey } from "../../src/photos/previews/thumbnail-keys.ts";
import { DirectoryStorage } from "../../src/storage/directory-storage.ts";
import { newKey } from "../../src/storage/object-key.ts";
import { exifBlock, withExif } from "../support/exif.ts";
import { decodePixels, quadrantsOf } from "../support/pixels.ts";
import { makePng, pngOf, quadrantsPng, whitePng } from "../support/png.ts";

/** Counts how many originals are worked on at once, and can be away. */
class WatchedStorage extends DirectoryStorage {
  readonly opened: string[] = [];
  readonly #busy = new Set<string>();
  busiest = 0;
  away = false;
  streams = false;
  /** Called when a thumbnail has just been stored. */
  stored: (key: string) => Promise<void> = async () => {};

  override async get(key: string) {
    if (this.away) throw unavailable("The storage is away");
    this.opened.push(key);
    this.#busy.add(key);
    this.busiest = Math.max(this.busiest, this.#busy.size);
    const object = await super.get(key);
    return object && this.streams ? { ...object, body: (object.body as Blob).stream() } : object;
  }

  override async putFile(key: string, path: string): Promise<void> {
    await super.putFile(key, path);
    await this.stored(key);
    // JPEGs have the smaller thumbnail first, others the larger one.
    const original = key.replace("thumbnails", "originals").replace(/-\d+$/, "");
    const other = key.endsWith("-512") ? key.replace("-512", "-2048") : key.replace("-2048", "-512");
    if (await this.stat(other)) this.#busy.delete(original);
  }
}

let root: string;
let storage: WatchedStorage;
let previews: Previews;
let problems: [key: string, reason: string][];
/** Originals of which it was told that there is no problem with them any more. */
let cleared: string[];
let referred: boolean;
const log = createLog({ level: "silent", format: "json" });

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "previews-"));
  storage = new WatchedStorage(root);
  problems = [];
  cleared = [];
  referred = true;
  previews = makePreviews();
});

function makePreviews(): Previews {
  return new Previews({
    storage,
    log,
    folder: join(root, "decoding"),
    typeOf: async () => (referred ? "image/jpeg" : null),
    noteProblem: async (key, reason) =>
      void (reason === null ? cleared.push(key) : problems.push([key, reason])),
  });
}

afterEach(async () => {
  await previews.settle();
  await rm(root, { recursive: true });
});

const fixture = (name: string) => Bun.file(join(import.meta.dir, "fixtures", name));

async function store(picture: Blob | Uint8Array<ArrayBuffer>): Promise<string> {
  const key = newKey("originals");
  await storage.put(key, new Blob([picture instanceof Blob ? await picture.bytes() : picture]).stream());
  return key;
}

async function read(key: string): Promise<Uint8Array<ArrayBuffer>> {
  const object = await new DirectoryStorage(root).get(key);
  if (!(object?.body instanceof Blob)) throw new Error("there is no such file");
  return await object.body.bytes();
}

/** The keys under which an original's thumbnails lie, or will. */
const keysOf = (original: string) => sizes.map((size) => thumbnailKey(original, size));

interface Made {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly size: string;
  readonly quadrants: string;
  readonly type: string | null;
}

/** Both thumbnails of a picture. */
async function thumbnailsOf(picture: Blob | Uint8Array<ArrayBuffer>): Promise<[Made, Made]> {
  const made: Made[] = [];
  for (const key of keysOf(await store(picture))) {
    expect(await previews.ensure(key)).toBe(true);
    const bytes = await read(key);
    const { width, height } = await decodePixels(bytes);
    const type = sniffMediaType(bytes.subarray(0, sniffedBytes));
    made.push({ bytes, size: `${width}x${height}`, quadrants: await quadrantsOf(bytes), type });
  }
  return made as [Made, Made];
}

const upright = "red green blue yellow";
const quadrants2400 = new Uint8Array(
  await new Bun.Image(quadrantsPng(2400, 1600)).jpeg({ quality: 90 }).bytes(),
);

describe("upright", () => {
  test.each([
    [1, upright],
    [2, "green red yellow blue"],
    [3, "yellow blue green red"],
    [4, "blue yellow red green"],
    [5, "red blue green yellow"],
    [6, "blue red yellow green"],
    [7, "yellow green blue red"],
    [8, "green yellow red blue"],
  ])("orientation %d of JPEG, PNG and WebP", async (Orientation, quadrants) => {
    const exif = exifBlock({ Orientation, GPSLatitudeRef: "N" });
    const jpeg = withExif(quadrants2400, exif);
    const webp = withWebpExif(await new Bun.Image(quadrantsPng(700, 500)).webp().bytes(), 700, 500, exif);
    const onItsSide = Orientation >= 5;
    for (const [picture, sizes] of [
      [jpeg, onItsSide ? ["341x512", "1365x2048"] : ["512x341", "2048x1365"]],
      [quadrantsPng(700, 500, { exif }), onItsSide ? ["366x512", "500x700"] : ["512x366", "700x500"]],
      [webp, onItsSide ? ["366x512", "500x700"] : ["512x366", "700x500"]],
    ] as const) {
      const [small, large] = await thumbnailsOf(picture);
      expect([small.quadrants, large.quadrants]).toEqual([quadrants, quadrants]);
      expect([small.size, large.size]).toEqual([...sizes]);
    }
  });

  test.each([
    ["quadrants.heic", "64x48", upright],
    ["quadrants-turned.heic", "48x64", "blue red yellow green"],
    ["quadrants.avif", "64x48", upright],
    ["quadrants-turned.avif", "48x64", "blue red yellow green"],
    ["quadrants-cmyk.jpg", "64x48", upright],
  ])("%s becomes a JPEG", async (name, size, quadrants) => {
    for (const made of await thumbnailsOf(fixture(name))) {
      expect(made).toMatchObject({ size, quadrants, type: "image/jpeg" });
    }
  });

  test.each(["quadrants-animated.gif", "quadrants-animated.webp"])("the first frame of %s", async (name) => {
    for (const made of await thumbnailsOf(fixture(name))) {
      expect(made).toMatchObject({ size: "64x48", quadrants: upright, type: "image/webp" });
    }
  });
});

/** An extended WebP with an EXIF chunk, from a simple one. */
function withWebpExif(webp: Uint8Array, width: number, height: number, exif: Uint8Array) {
  const block = exif.byteLength % 2 ? Buffer.concat([exif, Buffer.alloc(1)]) : exif;
  const isExtended = Buffer.from(webp.subarray(12, 16)).toString() === "VP8X";
  if (isExtended) throw new Error("expected a simple WebP");
  const head = Buffer.alloc(30);
  head.write("RIFF", 0);
  head.write("WEBPVP8X", 8);
  head.writeUInt32LE(10, 16);
  head[20] = 0x08;
  head.writeUIntLE(width - 1, 24, 3);
  head.writeUIntLE(height - 1, 27, 3);
  const tail = Buffer.alloc(8);
  tail.write("EXIF", 0);
  tail.writeUInt32LE(block.byteLength, 4);
  const whole = Buffer.concat([head, webp.subarray(12), tail, block]);
  whole.writeUInt32LE(whole.byteLength - 8, 4);
  return new Uint8Array(whole);
}

describe("kinds of pictures", () => {
  test("transparency stays, in 8 and 16 bits", async () => {
    const pixel = (x: number): [number, number, number, number] => [255, 0, 0, x < 32 ? 255 : 0];
    for (const depth of [8, 16] as const) {
      for (const { bytes, type } of await thumbnailsOf(makePng({ width: 64, height: 48, depth, pixel }))) {
        expect(type).toBe("image/webp");
        const { at } = await decodePixels(bytes);
        expect([at(8, 24)[3], at(56, 24)[3]]).toEqual([255, 0]);
      }
    }
  });

  test("progressive JPEG", async () => {
    const jpeg = await new Bun.Image(quadrantsPng(800, 600)).jpeg({ progressive: true }).bytes();
    const [small] = await thumbnailsOf(new Uint8Array(jpeg));
    expect(small).toMatchObject({ size: "512x384", quadrants: upright });
  });

  test("of a JPEG that is cut off, what is there is shown", async () => {
    const jpeg = await new Bun.Image(quadrantsPng(800, 600)).jpeg().bytes();
    const [small] = await thumbnailsOf(new Uint8Array(jpeg.subarray(0, Math.floor(jpeg.length * 0.7))));
    expect(small.quadrants).toStartWith("red green");
  });

  test.each([
    [1, 1, "1x1", "1x1"],
    [1, 20_000, "1x512", "1x2048"],
    [20_000, 1, "512x1", "2048x1"],
    [100, 60, "100x60", "100x60"],
  ])("%d by %d is never enlarged, nor lost", async (width, height, first, second) => {
    const [small, large] = await thumbnailsOf(whitePng(width, height));
    expect([small.size, large.size]).toEqual([first, second]);
  });

  test("nothing of the metadata is left", async () => {
    const exif = exifBlock({
      Make: "Secretcam",
      GPSLatitudeRef: "N",
      GPSLatitude: [
        [48, 1],
        [8, 1],
        [0, 1],
      ],
    });
    const jpeg = withExif(await new Bun.Image(quadrantsPng(800, 600)).jpeg().bytes(), exif);
    const pictures = [
      jpeg,
      quadrantsPng(800, 600, { exif }),
      fixture("quadrants.heic"),
      fixture("quadrants.avif"),
    ];
    for (const { bytes } of (await Promise.all(pictures.map(thumbnailsOf))).flat()) {
      expect(Buffer.from(bytes).toString("latin1")).not.toMatch(
        /Exif|EXIF|Secretcam|Acme|http:\/\/ns\.adobe/,
      );
    }
  });
});

describe("what cannot be shown", () => {
  const large = {
    depth: 8,
    colourType: 6,
    compressed: new Uint8Array([120, 156, 3, 0, 0, 0, 0, 1]),
  } as const;
  test.each<[string, Uint8Array<ArrayBuffer>, RegExp]>([
    [
      "a header that claims 400 megapixels",
      pngOf({ width: 20_000, height: 20_000, ...large }),
      /120 megapixels/,
    ],
    ["144 megapixels in some kilobytes", whitePng(12_000, 12_000), /120 megapixels/],
    ["garbage", new TextEncoder().encode("no picture at all".repeat(20)), /no picture/],
    ["nothing", new Uint8Array(), /no picture/],
    ["a JPEG without a picture", new Uint8Array([0xff, 0xd8, 0xff, 0xe0, 0, 4, 0, 0, 0xff, 0xd9]), /damaged/],
    ["a PNG without pixels", pngOf({ width: 40, height: 40, ...large }), /damaged/],
  ])("%s", async (_name, picture, reason) => {
    const key = await store(picture);
    const [small = "", big = ""] = keysOf(key);
    expect(await previews.ensure(small)).toBe(false);
    expect(await previews.ensure(big)).toBe(false);
    expect(problems).toEqual([[key, expect.stringMatching(reason)]]);
    expect(storage.opened).toEqual([key]);
  });

  test.each(["quadrants.heic", "quadrants.avif"])("a damaged %s", async (name) => {
    const bytes = await fixture(name).bytes();
    const key = await store(bytes.fill(0, bytes.length - 300));
    const cut = await store(bytes.slice(0, 120));
    expect(await previews.ensure(keysOf(cut)[0] ?? "")).toBe(false);
    // With its last bytes gone there may be something to show; either way it ends.
    const result = await previews.ensure(keysOf(key)[0] ?? "");
    expect(problems).toHaveLength(result ? 1 : 2);
  });

  test("a JPEG with hundreds of scans", async () => {
    const jpeg = await new Bun.Image(quadrantsPng(800, 600)).jpeg({ progressive: true }).bytes();
    const lastScan = Buffer.from(jpeg).lastIndexOf(Buffer.from([0xff, 0xda]));
    const withScans = (count: number) =>
      new Uint8Array(
        Buffer.concat([
          jpeg.subarray(0, -2),
          ...Array.from({ length: count }, () => jpeg.subarray(lastScan, -2)),
          jpeg.subarray(-2),
        ]),
      );
    const key = await store(withScans(300));
    expect(await previews.ensure(keysOf(key)[0] ?? "")).toBe(false);
    expect(problems).toEqual([[key, "It has more scans than any camera writes"]]);
    const [small] = await thumbnailsOf(withScans(150));
    expect(small).toMatchObject({ size: "512x384", quadrants: upright });
  });

  test("what its process does not survive is no problem of a picture, and left alone until the next start", async () => {
    const key = await store(whitePng(6000, 6000));
    const asked = previews.ensure(keysOf(key)[0] ?? "");
    await killDecoders();
    expect(await asked).toBe(false);
    expect(await previews.ensure(keysOf(key)[1] ?? "")).toBe(false);
    expect(storage.opened).toEqual([key]);
    expect(problems).toEqual([]);
    expect(await thumbnailsOf(quadrantsPng(64, 48))).toHaveLength(2);
  });

  test("a picture whose original goes meanwhile leaves no thumbnail", async () => {
    const key = await store(quadrantsPng(64, 48));
    storage.stored = async () => {
      referred = false;
    };
    const [small = "", large = ""] = keysOf(key);
    expect(await Promise.all([previews.ensure(small), previews.ensure(large)])).toEqual([false, false]);
    expect([await storage.stat(small), await storage.stat(large)]).toEqual([null, null]);
    expect([problems, cleared]).toEqual([[], []]);
  });

  test("a note of a problem is taken back when there are thumbnails", async () => {
    const key = await store(quadrantsPng(64, 48));
    // Once all of them are there: whoever waits for one has it sooner.
    expect(await previews.prepare(key)).toBe(true);
    expect(cleared).toEqual([key]);
  });

  test("originals that are gone, and keys of no thumbnail, are no problem of a picture", async () => {
    expect(await previews.ensure(keysOf(newKey("originals"))[0] ?? "")).toBe(false);
    expect(await previews.ensure("thumbnails/../../etc/passwd")).toBe(false);
    expect(await previews.ensure(newKey("originals"))).toBe(false);
    referred = false;
    const key = await store(quadrantsPng(8, 8));
    expect(await previews.ensure(keysOf(key)[0] ?? "")).toBe(false);
    expect(problems).toEqual([]);
  });

  test("a storage that is away is not a damaged picture", async () => {
    const key = await store(quadrantsPng(8, 8));
    const thumbnail = keysOf(key)[0] ?? "";
    storage.away = true;
    await expect(previews.ensure(thumbnail)).rejects.toMatchObject({ status: 503 });
    await expect(previews.prepare(key)).rejects.toMatchObject({ status: 503 });
    storage.away = false;
    expect(problems).toEqual([]);
    expect(await previews.ensure(thumbnail)).toBe(true);
  });
});

/** Kills the processes that decode, once they are busy. */
async function killDecoders(): Promise<void> {
  const find = () =>
    Bun.spawnSync(["pgrep", "-P", String(process.pid), "-f", "decode-pictures"]).stdout.toString();
  while (find() === "") await Bun.sleep(10);
  await Bun.sleep(200);
  for (const pid of find().trim().split("\n")) process.kill(Number(pid), "SIGKILL");
}

describe("work at once", () => {
  const many = (count: number, picture: Uint8Array<ArrayBuffer>) =>
    Promise.all(Array.from({ length: count }, () => store(picture)));

  test("two pictures are decoded at a time", async () => {
    const keys = await many(8, quadrantsPng(900, 700));
    await Promise.all(keys.flatMap((key) => keysOf(key).map((one) => previews.ensure(one))));
    expect(storage.busiest).toBe(2);
  });

  test("a large one is alone", async () => {
    const large = await many(2, whitePng(7000, 6000));
    expect(await Promise.all(large.map((key) => previews.ensure(keysOf(key)[0] ?? "")))).toEqual([
      true,
      true,
    ]);
    // Each is opened to be looked at, and again when there is room for it.
    expect(storage.opened).toHaveLength(4);
  }, 60_000);

  test("a large progressive JPEG is alone, too", async () => {
    const jpeg = await new Bun.Image(whitePng(7000, 6000)).jpeg({ progressive: true }).bytes();
    const key = await store(new Uint8Array(jpeg));
    expect(await previews.ensure(keysOf(key)[0] ?? "")).toBe(true);
    expect(storage.opened).toEqual([key, key]);
    const usual = await store(new Uint8Array(await new Bun.Image(whitePng(7000, 6000)).jpeg().bytes()));
    expect(await previews.ensure(keysOf(usual)[0] ?? "")).toBe(true);
    expect(storage.opened).toEqual([key, key, usual]);
  }, 60_000);

  test("the end does not wait for a picture, and is no problem of it", async () => {
    const key = await store(whitePng(6000, 6000));
    const thumbnail = keysOf(key)[0] ?? "";
    const asked = previews.ensure(thumbnail).catch((error) => error.status);
    while ((await readdir(join(root, "decoding")).catch(() => null)) === null) await Bun.sleep(5);
    await Bun.sleep(200);
    const began = performance.now();
    await previews.settle();
    expect(performance.now() - began).toBeLessThan(500);
    expect(await asked).toBe(503);
    expect(problems).toEqual([]);
    expect(await previews.ensure(thumbnail)).toBe(true);
  }, 30_000);

  test("who asks for the same shares the work", async () => {
    const key = await store(fixture("quadrants.heic"));
    const asked = Array.from({ length: 20 }, (_, i) => previews.ensure(keysOf(key)[i % 2] ?? ""));
    expect((await Promise.all(asked)).every(Boolean)).toBe(true);
    expect(storage.opened).toEqual([key]);
  });

  test("prepared pictures have both thumbnails, and nothing is made twice", async () => {
    const keys = await many(5, quadrantsPng(600, 400));
    expect(await Promise.all(keys.map((key) => previews.prepare(key)))).toEqual(keys.map(() => true));
    const made = await Promise.all(keys.flatMap((key) => keysOf(key)).map((one) => storage.stat(one)));
    expect(made).not.toContain(null);
    await Promise.all(keys.map((key) => previews.ensure(keysOf(key)[1] ?? "")));
    expect(storage.opened.toSorted()).toEqual(keys.toSorted());
    expect(storage.busiest).toBeLessThanOrEqual(2);
  });

  test("settling drops what waits, and leaves nothing running", async () => {
    const keys = await many(40, quadrantsPng(600, 400));
    const prepared = Promise.all(keys.map((key) => previews.prepare(key).catch((error) => error.status)));
    await previews.settle();
    expect(await prepared).toContain(503);
    const opened = storage.opened.length;
    expect(opened).toBeLessThan(10);
    await Bun.sleep(50);
    expect(storage.opened).toHaveLength(opened);
  });

  test("the server goes on while a HEIC is decoded", async () => {
    const key = await store(fixture("quadrants.heic"));
    let longest = 0;
    let last = performance.now();
    const timer = setInterval(() => {
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    }, 1);
    await previews.ensure(keysOf(key)[0] ?? "");
    clearInterval(timer);
    expect(longest).toBeLessThan(200);
  });

  test("originals that come as streams, of which nothing stays behind", async () => {
    storage.streams = true;
    for (const made of await thumbnailsOf(fixture("quadrants-turned.avif"))) {
      expect(made.quadrants).toBe("blue red yellow green");
    }
    await previews.settle();
    expect(await readdir(join(root, "decoding"))).toEqual([]);
  });
});

test("a picture that is not stored is made small as a JPEG", async () => {
  const bytes = await fixture("quadrants-turned.heic").bytes();
  const small = await previews.shrink(bytes, 32);
  expect(await decodePixels(small ?? new Uint8Array())).toMatchObject({ width: 24, height: 32 });
  expect(await previews.shrink(bytes.slice(0, 100), 32)).toBeNull();
});
