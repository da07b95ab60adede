import { crc32, deflateSync } from "node:zlib";

export interface PngOptions {
  readonly width: number;
  readonly height: number;
  /** 8 or 16 bits a channel. */
  readonly depth?: 8 | 16;
  /** Red, green, blue and alpha, of 255, of each pixel. */
  readonly pixel: (x: number, y: number) => readonly [number, number, number, number];
  /** Written as `eXIf`. */
  readonly exif?: Uint8Array;
}

function chunk(type: string, data: Uint8Array): Buffer {
  const whole = Buffer.alloc(12 + data.byteLength);
  whole.writeUInt32BE(data.byteLength, 0);
  whole.write(type, 4, "latin1");
  whole.set(data, 8);
  whole.writeUInt32BE(crc32(whole.subarray(4, 8 + data.byteLength)), 8 + data.byteLength);
  return whole;
}

export interface PngParts {
  readonly width: number;
  readonly height: number;
  readonly depth: number;
  /** 0 grey, 6 red, green, blue and alpha. */
  readonly colourType: 0 | 6;
  /** Rows, each after its filter byte, compressed by zlib. */
  readonly compressed: Uint8Array;
  readonly exif?: Uint8Array | undefined;
}

/** A PNG made of its parts, which may lie. */
export function pngOf({ width, height, depth, colourType, compressed, exif }: PngParts) {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([depth, colourType, 0, 0, 0], 8);
  const parts = [
    Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
    chunk("IHDR", header),
    ...(exif ? [chunk("eXIf", exif)] : []),
    chunk("IDAT", compressed),
    chunk("IEND", new Uint8Array()),
  ];
  return new Uint8Array(Buffer.concat(parts));
}

/** A white picture of one bit a pixel: as many pixels as one likes, in a few kilobytes. */
export function whitePng(width: number, height: number) {
  const row = Buffer.alloc(1 + Math.ceil(width / 8), 255);
  row[0] = 0;
  const compressed = deflateSync(Buffer.concat(Array(height).fill(row)));
  return pngOf({ width, height, depth: 1, colourType: 0, compressed });
}

/** Draws a PNG. */
export function makePng({ width, height, depth = 8, pixel, exif }: PngOptions): Uint8Array<ArrayBuffer> {
  const step = depth / 8;
  const rows = Buffer.alloc(height * (1 + width * 4 * step));
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const start = y * (1 + width * 4 * step) + 1 + x * 4 * step;
      // Both bytes of a 16-bit channel are the same: 255 becomes 65535.
      for (const [channel, value] of pixel(x, y).entries()) {
        rows.fill(value, start + channel * step, start + (channel + 1) * step);
      }
    }
  }
  return pngOf({ width, height, depth, colourType: 6, compressed: deflateSync(rows), exif });
}

const corners = [
  [255, 0, 0, 255],
  [0, 255, 0, 255],
  [0, 0, 255, 255],
  [255, 255, 0, 255],
] as const;

/** Four quadrants: red, green, blue, yellow, from the top left, row by row. */
export function quadrantsPng(width: number, height: number, more: Partial<PngOptions> = {}) {
  const pixel = (x: number, y: number) =>
    corners[(y >= height / 2 ? 2 : 0) + (x >= width / 2 ? 1 : 0)] ?? corners[0];
  return makePng({ width, height, pixel, ...more });
}
