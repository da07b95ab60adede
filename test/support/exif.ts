/** EXIF and JPEG built byte by byte, for tests of what reads them. */

type Fraction = readonly [above: number, below: number];
/** Texts become ASCII, fractions RATIONAL, other numbers SHORT or LONG. */
export type ExifValue = string | number | Fraction | readonly Fraction[];
/** A LONG, whatever its value. */
interface Pointer {
  readonly pointer: number;
}

/** Tags by name, as far as tests use them. */
const tags = {
  Make: [0, 0x010f],
  Model: [0, 0x0110],
  Orientation: [0, 0x0112],
  ExposureTime: [1, 0x829a],
  FNumber: [1, 0x829d],
  ISOSpeedRatings: [1, 0x8827],
  DateTimeOriginal: [1, 0x9003],
  OffsetTimeOriginal: [1, 0x9011],
  FocalLength: [1, 0x920a],
  SubSecTimeOriginal: [1, 0x9291],
  LensModel: [1, 0xa434],
  GPSLatitudeRef: [2, 1],
  GPSLatitude: [2, 2],
  GPSLongitudeRef: [2, 3],
  GPSLongitude: [2, 4],
  GPSAltitudeRef: [2, 5],
  GPSAltitude: [2, 6],
  GPSTimeStamp: [2, 7],
  GPSDateStamp: [2, 29],
} as const satisfies Record<string, readonly [folder: number, code: number]>;
export type ExifTags = { readonly [Name in keyof typeof tags]?: ExifValue };

interface Entry {
  readonly code: number;
  readonly value: ExifValue | Pointer;
}

/** Writes numbers in one byte order. */
class Writer {
  readonly bytes: number[] = [];
  constructor(readonly littleEndian: boolean) {}
  number(value: number, size: number): void {
    const bytes = Array.from({ length: size }, (_, i) => Math.floor(value / 256 ** i) % 256);
    this.bytes.push(...(this.littleEndian ? bytes : bytes.reverse()));
  }
}

interface Encoded {
  readonly type: number;
  readonly count: number;
  readonly bytes: number[];
}

function encodeValue(value: ExifValue | Pointer, littleEndian: boolean): Encoded {
  const writer = new Writer(littleEndian);
  if (typeof value === "string") {
    const bytes = [...Buffer.from(`${value}\0`)];
    return { type: 2, count: bytes.length, bytes };
  }
  if (typeof value === "number") {
    writer.number(value, value > 0xffff ? 4 : 2);
    return { type: value > 0xffff ? 4 : 3, count: 1, bytes: writer.bytes };
  }
  if ("pointer" in value) {
    writer.number(value.pointer, 4);
    return { type: 4, count: 1, bytes: writer.bytes };
  }
  const fractions = (typeof value[0] === "number" ? [value] : value) as Fraction[];
  for (const part of fractions.flat()) writer.number(part, 4);
  return { type: 5, count: fractions.length, bytes: writer.bytes };
}

/** A folder of entries, whose larger values follow it. @param offset where it starts, from the TIFF header */
function encodeFolder(entries: Entry[], offset: number, littleEndian: boolean): number[] {
  const folder = new Writer(littleEndian);
  const values: number[] = [];
  folder.number(entries.length, 2);
  for (const { code, value } of entries.toSorted((a, b) => a.code - b.code)) {
    const { type, count, bytes } = encodeValue(value, littleEndian);
    folder.number(code, 2);
    folder.number(type, 2);
    folder.number(count, 4);
    if (bytes.length <= 4) folder.bytes.push(...bytes, ...Array(4 - bytes.length).fill(0));
    else {
      folder.number(offset + 2 + entries.length * 12 + 4 + values.length, 4);
      values.push(...bytes);
    }
  }
  folder.number(0, 4);
  return [...folder.bytes, ...values];
}

/** 46.5 degrees north, 7.25 degrees east. */
export const alpinePlace: ExifTags = {
  GPSLatitudeRef: "N",
  GPSLatitude: [
    [46, 1],
    [30, 1],
    [0, 1],
  ],
  GPSLongitudeRef: "E",
  GPSLongitude: [
    [7, 1],
    [15, 1],
    [0, 1],
  ],
};

/** An EXIF block, from its TIFF header on. */
export function exifBlock(values: ExifTags, littleEndian = true): Uint8Array {
  const folders: Entry[][] = [[], [], []];
  for (const [name, value] of Object.entries(values)) {
    const [folder, code] = tags[name as keyof typeof tags];
    if (value !== undefined) folders[folder]?.push({ code, value });
  }
  const [main = [], camera = [], place = []] = folders;
  // The first folder is written twice, once to learn its length.
  const pointers = (first: number, second: number) => [
    { code: 0x8769, value: { pointer: first } },
    { code: 0x8825, value: { pointer: second } },
  ];
  const length = encodeFolder([...main, ...pointers(0, 0)], 8, littleEndian).length;
  const cameraFolder = encodeFolder(camera, 8 + length, littleEndian);
  const placeFolder = encodeFolder(place, 8 + length + cameraFolder.length, littleEndian);
  const header = new Writer(littleEndian);
  header.bytes.push(...Buffer.from(littleEndian ? "II" : "MM"));
  header.number(42, 2);
  header.number(8, 4);
  const block = [
    ...header.bytes,
    ...encodeFolder([...main, ...pointers(8 + length, 8 + length + cameraFolder.length)], 8, littleEndian),
    ...cameraFolder,
    ...placeFolder,
  ];
  return new Uint8Array(block);
}

/** A JPEG with an EXIF block as its first segment. */
export function withExif(jpeg: Uint8Array, block: Uint8Array): Uint8Array<ArrayBuffer> {
  const segment = Buffer.alloc(10);
  segment.writeUInt16BE(0xffe1, 0);
  segment.writeUInt16BE(8 + block.byteLength, 2);
  segment.write("Exif\0\0", 4, "latin1");
  return new Uint8Array(Buffer.concat([jpeg.subarray(0, 2), segment, block, jpeg.subarray(2)]));
}
