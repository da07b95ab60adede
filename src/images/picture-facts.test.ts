import { expect, test } from "bun:test";
import { join } from "node:path";
import { type ExifTags, exifBlock, withExif } from "../../test/support/exif.ts";
import { quadrantsPng } from "../../test/support/png.ts";
import { SeededRandom } from "../../test/support/seeded-random.ts";
import { textOf } from "./exif-values.ts";
import { type PictureFacts, readFacts } from "./picture-facts.ts";

const fixture = (name: string) => Bun.file(join(import.meta.dir, "../../test/photos/fixtures", name));
const plainJpeg = await new Bun.Image(quadrantsPng(64, 48)).jpeg().bytes();

function jpegWith(tags: ExifTags, littleEndian = true): Blob {
  return new Blob([withExif(plainJpeg, exifBlock(tags, littleEndian))]);
}

async function factsOf(tags: ExifTags): Promise<PictureFacts> {
  return await readFacts(jpegWith(tags), "image/jpeg");
}

const everything: ExifTags = {
  Make: "Acme",
  Model: "Travel 3",
  LensModel: "Acme 24mm f/2.8",
  Orientation: 6,
  ExposureTime: [10, 500],
  FNumber: [28, 10],
  ISOSpeedRatings: 200,
  FocalLength: [2400, 100],
  DateTimeOriginal: "2025:11:17 10:00:00",
  SubSecTimeOriginal: "12",
  OffsetTimeOriginal: "-03:30",
  GPSLatitudeRef: "S",
  GPSLatitude: [
    [33, 1],
    [30, 1],
    [0, 1],
  ],
  GPSLongitudeRef: "W",
  GPSLongitude: [
    [70, 1],
    [15, 1],
    [36, 1],
  ],
  GPSAltitude: [5205, 10],
};

test.each([
  ["little", true],
  ["big", false],
] as const)("reads everything, %s endian", async (_name, order) => {
  expect(await readFacts(jpegWith(everything, order), "image/jpeg")).toEqual({
    orientation: 6,
    width: 48,
    height: 64,
    capturedAt: "2025-11-17T10:00:00.120",
    capturedAtOffset: "-03:30",
    location: { latitude: -33.5, longitude: -70.26 },
    altitude: 520.5,
    cameraMake: "Acme",
    cameraModel: "Travel 3",
    lensModel: "Acme 24mm f/2.8",
    focalLength: 24,
    aperture: 2.8,
    iso: 200,
    shutterSpeed: "1/50",
    exposureTime: 0.02,
  });
});

test("a picture that says nothing has its size", async () => {
  expect(await readFacts(new Blob([plainJpeg]), "image/jpeg")).toEqual({ width: 64, height: 48 });
});

test.each([
  [[1, 50], "1/50"],
  [[4, 300], "1/75"],
  [[1, 2], "1/2"],
  [[1, 8000], "1/8000"],
  [[1, 1], "1 s"],
  [[13, 10], "1.3 s"],
  [[30, 1], "30 s"],
  [[8, 10], "0.8 s"],
  [[0, 1], undefined],
  [[1, 0], undefined],
] as const)("a shutter speed of %p is %p", async (ExposureTime, text) => {
  expect((await factsOf({ ExposureTime })).shutterSpeed).toBe(text as string);
});

const clock = "2025:11:17 10:00:00";
test.each<[string, ExifTags, string | undefined]>([
  ["its own", { OffsetTimeOriginal: "+05:45" }, "+05:45"],
  ["UTC", { OffsetTimeOriginal: "Z" }, "+00:00"],
  ["an impossible one", { OffsetTimeOriginal: "+99:00" }, undefined],
  [
    "satellites",
    {
      GPSDateStamp: "2025:11:17",
      GPSTimeStamp: [
        [8, 1],
        [1, 1],
        [30, 1],
      ],
    },
    "+02:00",
  ],
  [
    "satellites at noon",
    {
      GPSDateStamp: "2025:11:17",
      GPSTimeStamp: [
        [10, 1],
        [0, 1],
        [0, 1],
      ],
    },
    "+00:00",
  ],
  [
    "satellites of the day before",
    {
      GPSDateStamp: "2025:11:16",
      GPSTimeStamp: [
        [21, 1],
        [0, 1],
        [0, 1],
      ],
    },
    "+13:00",
  ],
  [
    "satellites west",
    {
      GPSDateStamp: "2025:11:17",
      GPSTimeStamp: [
        [13, 1],
        [30, 1],
        [0, 1],
      ],
    },
    "-03:30",
  ],
  [
    "a fix too old",
    {
      GPSDateStamp: "2025:11:17",
      GPSTimeStamp: [
        [8, 1],
        [7, 1],
        [30, 1],
      ],
    },
    undefined,
  ],
  [
    "satellites of another day",
    {
      GPSDateStamp: "2025:11:15",
      GPSTimeStamp: [
        [8, 1],
        [0, 1],
        [0, 1],
      ],
    },
    undefined,
  ],
  [
    "a time without a day",
    {
      GPSTimeStamp: [
        [8, 1],
        [0, 1],
        [0, 1],
      ],
    },
    undefined,
  ],
])("the offset from %s", async (_name, tags, offset) => {
  const facts = await factsOf({ DateTimeOriginal: clock, ...tags });
  expect(facts.capturedAt).toBe("2025-11-17T10:00:00");
  expect(facts.capturedAtOffset).toBe(offset as string);
});

test.each(["0000:00:00 00:00:00", "2025:02:30 10:00:00", "2025:01:01 25:00:00", "    :  :     :  :  ", "x"])(
  "%p is no time",
  async (DateTimeOriginal) => {
    expect((await factsOf({ DateTimeOriginal, OffsetTimeOriginal: "+01:00" })).capturedAt).toBeUndefined();
  },
);

const north = { GPSLatitudeRef: "N", GPSLongitudeRef: "E" };
test.each<[string, ExifTags]>([
  [
    "zeros",
    {
      GPSLatitude: [
        [0, 1],
        [0, 1],
        [0, 1],
      ],
      GPSLongitude: [
        [0, 1],
        [0, 1],
        [0, 1],
      ],
    },
  ],
  [
    "no denominators",
    {
      GPSLatitude: [
        [0, 0],
        [0, 0],
        [0, 0],
      ],
      GPSLongitude: [
        [0, 0],
        [0, 0],
        [0, 0],
      ],
    },
  ],
  [
    "out of range",
    {
      GPSLatitude: [
        [91, 1],
        [0, 1],
        [0, 1],
      ],
      GPSLongitude: [
        [5, 1],
        [0, 1],
        [0, 1],
      ],
    },
  ],
  [
    "half of it",
    {
      GPSLatitude: [
        [48, 1],
        [0, 1],
        [0, 1],
      ],
    },
  ],
  ["one number", { GPSLatitude: [48, 1], GPSLongitude: [11, 1] }],
])("a location of %s is none", async (_name, tags) => {
  expect((await factsOf({ ...north, ...tags })).location).toBeUndefined();
});

test("below the sea", async () => {
  expect((await factsOf({ GPSAltitude: [430, 1], GPSAltitudeRef: 1 })).altitude).toBe(-430);
});

test("texts can be stored: no U+0000, whole characters, at most 200", async () => {
  const facts = await factsOf({ Make: "  A\ncme  ", Model: "😀".repeat(300), LensModel: "  \0  " });
  expect(facts.cameraMake).toBe("A\ncme");
  expect([...(facts.cameraModel ?? "")]).toHaveLength(200);
  expect(facts.cameraModel?.isWellFormed()).toBe(true);
  expect(facts.lensModel).toBeUndefined();
});

test("a text with U+0000 inside", () => {
  expect(textOf({ Make: { value: ["A\0c\ud800me"] } }, "Make", 200)).toBe("Ac\ufffdme");
});

test("EXIF of a PNG, which is turned as it says", async () => {
  const exif = exifBlock({ Orientation: 6, Make: "Acme" });
  const png = new Blob([quadrantsPng(64, 48, { exif })]);
  expect(await readFacts(png, "image/png")).toEqual({
    orientation: 6,
    width: 48,
    height: 64,
    cameraMake: "Acme",
  });
});

test.each([
  ["quadrants.heic", "image/heic"],
  ["quadrants.avif", "image/avif"],
] as const)("%s", async (name, mediaType) => {
  expect(await readFacts(fixture(name), mediaType)).toEqual({
    orientation: 1,
    width: 64,
    height: 48,
    capturedAt: "2025-11-17T10:00:00",
    capturedAtOffset: "+02:00",
    location: { latitude: 48 + 8 / 60, longitude: 11.575 },
    cameraMake: "Acme",
    cameraModel: "Fixture 1",
  });
});

test.each([
  ["quadrants-turned.heic", "image/heic"],
  ["quadrants-turned.avif", "image/avif"],
] as const)("%s is shown upright", async (name, mediaType) => {
  expect(await readFacts(fixture(name), mediaType)).toMatchObject({ orientation: 6, width: 48, height: 64 });
});

test("the size of animations", async () => {
  const size = { width: 64, height: 48 };
  expect(await readFacts(fixture("quadrants-animated.gif"), "image/gif")).toEqual(size);
  expect(await readFacts(fixture("quadrants-animated.webp"), "image/webp")).toEqual(size);
});

test("of a JPEG cut off behind its EXIF, what was read stays", async () => {
  const whole = withExif(plainJpeg, exifBlock(everything));
  const facts = await readFacts(new Blob([whole.subarray(0, 600)]), "image/jpeg");
  expect(facts).toMatchObject({ cameraMake: "Acme", capturedAtOffset: "-03:30" });
});

/** A folder of as many entries that all point at a megabyte, and whose next folder is itself. */
function hostileBlock(entries: number): Uint8Array {
  const block = Buffer.alloc(64_000);
  block.write("II*\0\x08\0\0\0", 0, "latin1");
  block.writeUInt16LE(entries, 8);
  for (let at = 10; at + 12 <= block.length; at += 12) {
    block.writeUInt16LE([0x010f, 0x0110, 0x8769, 0x8825][at % 4] ?? 0x010f, at);
    block.writeUInt16LE([2, 5, 4, 4][at % 4] ?? 2, at + 2);
    block.writeUInt32LE([60_000, 7000, 1, 0xffff_ffff][(at >> 2) % 4] ?? 1, at + 4);
    block.writeUInt32LE(8, at + 8);
  }
  return block;
}

test.each([1, 5000, 65_535])("%d hostile entries neither hang nor throw", async (entries) => {
  const jpeg = new Blob([withExif(plainJpeg, hostileBlock(entries))]);
  const started = performance.now();
  expect(await readFacts(jpeg, "image/jpeg")).toMatchObject({ width: 64, height: 48 });
  expect(performance.now() - started).toBeLessThan(2000);
});

test("damaged files never throw", async () => {
  const random = new SeededRandom(7);
  const sources = [
    [withExif(plainJpeg, exifBlock(everything)), "image/jpeg"],
    [quadrantsPng(16, 16, { exif: exifBlock(everything) }), "image/png"],
    [await fixture("quadrants.heic").bytes(), "image/heic"],
    [await fixture("quadrants-turned.avif").bytes(), "image/avif"],
    [await fixture("quadrants-animated.webp").bytes(), "image/webp"],
    [await fixture("quadrants-animated.gif").bytes(), "image/gif"],
  ] as const;
  for (let round = 0; round < 600; round++) {
    const [source, mediaType] = sources[round % sources.length] ?? sources[0];
    const broken = source.slice(0, round % 3 === 0 ? random.int(0, source.length) : undefined);
    for (let i = 0; i < 8; i++) broken[random.int(0, broken.length)] = random.int(0, 255);
    expect(await readFacts(new Blob([broken]), mediaType)).toBeObject();
  }
});

test("no file at all has no facts", async () => {
  expect(await readFacts(new Blob([]), "image/heic")).toEqual({});
  expect(await readFacts(Bun.file(join(import.meta.dir, "nothing.jpg")), "image/jpeg")).toEqual({});
});
