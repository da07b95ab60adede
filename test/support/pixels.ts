import { inflateSync } from "node:zlib";

/** A decoded picture: rows of pixels, 8 bits a channel. */
export interface DecodedPicture {
  readonly width: number;
  readonly height: number;
  /** Red, green, blue and alpha of a pixel. */
  readonly at: (x: number, y: number) => [number, number, number, number];
}

/** Undoes the filters of a PNG's rows. PNG specification, 9.2. */
function unfilter(data: Uint8Array, rowBytes: number, height: number, channels: number): Uint8Array {
  const rows = new Uint8Array(rowBytes * height);
  for (let y = 0; y < height; y++) {
    const filter = data[y * (rowBytes + 1)];
    for (let i = 0; i < rowBytes; i++) {
      const at = y * rowBytes + i;
      const left = i >= channels ? (rows[at - channels] ?? 0) : 0;
      const above = y > 0 ? (rows[at - rowBytes] ?? 0) : 0;
      const aboveLeft = y > 0 && i >= channels ? (rows[at - rowBytes - channels] ?? 0) : 0;
      const predicted =
        [0, left, above, (left + above) >> 1, paeth(left, above, aboveLeft)][filter ?? 0] ?? 0;
      rows[at] = (data[y * (rowBytes + 1) + 1 + i] ?? 0) + predicted;
    }
  }
  return rows;
}

function paeth(a: number, b: number, c: number): number {
  const [pa, pb, pc] = [Math.abs(b - c), Math.abs(a - c), Math.abs(a + b - 2 * c)];
  if (pa <= pb && pa <= pc) return a;
  return pb <= pc ? b : c;
}

/** Decodes anything that Bun.Image reads: by way of a PNG, whose format is simple enough to be read here. */
export async function decodePixels(picture: Blob | Uint8Array): Promise<DecodedPicture> {
  const png = Buffer.from(await new Bun.Image(picture as Blob, { autoOrient: false }).png().bytes());
  const [width, height, colourType] = [png.readUInt32BE(16), png.readUInt32BE(20), png[25]];
  const channels = colourType === 6 ? 4 : 3;
  if (png[24] !== 8 || (colourType !== 6 && colourType !== 2)) throw new Error("not a PNG of 8-bit RGB");
  const parts: Buffer[] = [];
  for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at)) {
    const end = at + 8 + png.readUInt32BE(at);
    if (png.toString("latin1", at + 4, at + 8) === "IDAT") parts.push(png.subarray(at + 8, end));
  }
  const rows = unfilter(inflateSync(Buffer.concat(parts)), width * channels, height, channels);
  const channel = (x: number, y: number, index: number) => rows[(y * width + x) * channels + index] ?? 255;
  return {
    width,
    height,
    at: (x, y) => [
      channel(x, y, 0),
      channel(x, y, 1),
      channel(x, y, 2),
      channels === 4 ? channel(x, y, 3) : 255,
    ],
  };
}

const names = { red: [255, 0, 0], green: [0, 255, 0], blue: [0, 0, 255], yellow: [255, 255, 0] };

function nameOf([red, green, blue]: readonly number[]): string {
  const near = ([r = 0, g = 0, b = 0]: number[]) =>
    Math.abs(r - (red ?? 0)) + Math.abs(g - (green ?? 0)) + Math.abs(b - (blue ?? 0)) < 60;
  return Object.entries(names).find(([, colour]) => near(colour))?.[0] ?? `${red},${green},${blue}`;
}

/** The colours of the four quadrants' middles, from the top left, row by row. */
export async function quadrantsOf(picture: Blob | Uint8Array): Promise<string> {
  const { width, height, at } = await decodePixels(picture);
  const [left, right] = [Math.floor(width / 4), Math.floor((3 * width) / 4)];
  const [top, bottom] = [Math.floor(height / 4), Math.floor((3 * height) / 4)];
  const points = [at(left, top), at(right, top), at(left, bottom), at(right, bottom)];
  return points.map(nameOf).join(" ");
}
