/** BITMAPFILEHEADER, BITMAPINFOHEADER and three channel masks. */
const headerBytes = 14 + 40 + 12;
/** Channel masks: the bytes of a pixel are red, green, blue, and one that does not matter. */
const masks = [0x00_00_00_ff, 0x00_00_ff_00, 0x00_ff_00_00];

/** Decoded pixels, four bytes each: red, green, blue, alpha. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  /** Bytes from one row to the next. */
  readonly stride: number;
  readonly data: Uint8Array | Uint8ClampedArray;
}

/** Offset, bytes and value of each field that is not zero. */
const fields = (width: number, height: number, size: number): [number, 2 | 4, number][] => [
  [0, 2, 0x4d42],
  [2, 4, size],
  [10, 4, headerBytes],
  [14, 4, 40],
  [18, 4, width],
  // Negative: rows come from top to bottom.
  [22, 4, -height],
  [26, 2, 1],
  [28, 2, 32],
  [30, 4, 3],
  ...masks.map((mask, index): [number, 2 | 4, number] => [54 + 4 * index, 4, mask]),
];

/** Wraps pixels so that Bun.Image reads them, which takes no raw ones: a BMP is a header and nothing else. */
export function toBitmap({ width, height, stride, data }: Pixels): Uint8Array<ArrayBuffer> {
  const bitmap = new Uint8Array(headerBytes + width * height * 4);
  const view = new DataView(bitmap.buffer);
  for (const [at, bytes, value] of fields(width, height, bitmap.byteLength)) {
    if (bytes === 2) view.setUint16(at, value, true);
    else view.setInt32(at, value, true);
  }
  for (let row = 0; row < height; row++) {
    const start = row * stride;
    bitmap.set(data.subarray(start, start + width * 4), headerBytes + row * width * 4);
  }
  return bitmap;
}
