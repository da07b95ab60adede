import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Decoder } from "../../src/photos/previews/decoder.ts";
import { atMost, type Figure, median } from "./figure.ts";

const [width, height] = [4000, 3000];
const turns = 9;

/** A JPEG of 12 megapixels, as busy as a photo of leaves: waves of all lengths. */
async function photo(): Promise<Uint8Array> {
  const row = 3 * width;
  const header = Buffer.alloc(54);
  header.write("BM");
  header.writeUInt32LE(54 + row * height, 2);
  header.writeUInt32LE(54, 10);
  header.writeUInt32LE(40, 14);
  header.writeInt32LE(width, 18);
  header.writeInt32LE(height, 22);
  header.writeUInt16LE(1, 26);
  header.writeUInt16LE(24, 28);
  const pixels = Buffer.alloc(row * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const value =
        128 + 60 * Math.sin((x * y) / 9000) + 40 * Math.sin(x / 3 + y / 7) + ((x * 31 + y * 17) % 23);
      pixels.fill(Math.max(0, Math.min(255, value)), y * row + x * 3, y * row + x * 3 + 3);
    }
  }
  return await new Bun.Image(Buffer.concat([header, pixels])).jpeg({ quality: 92 }).bytes();
}

/** Milliseconds from the file of a picture to that of its thumbnail. */
async function timeOf(decoder: Decoder, source: string): Promise<number> {
  const began = performance.now();
  const turn = { places: 1, urgent: true, signal: new AbortController().signal } as const;
  const targets = [{ edge: 512, type: null, path: `${source}-${began}` }];
  await decoder.run(turn, (decode) => decode({ source, targets }, async () => {}));
  return performance.now() - began;
}

/** By a process that decodes one picture after the other; the first one waits for its start, too. */
export async function measureThumbnail(): Promise<Figure[]> {
  const folder = await mkdtemp(join(tmpdir(), "bench-thumbnail-"));
  await using decoder = new Decoder();
  try {
    const source = join(folder, "photo");
    await Bun.write(source, await photo());
    const cold = await timeOf(decoder, source);
    const times: number[] = [];
    for (let turn = 0; turn < turns; turn++) times.push(await timeOf(decoder, source));
    return [
      atMost("a 512 px thumbnail of a JPEG of 12 megapixels", median(times), 80, "ms"),
      {
        name: "the same, with the start of its process",
        measured: `${cold.toFixed(0)} ms`,
        target: "",
        ratio: "",
        met: true,
      },
    ];
  } finally {
    await rm(folder, { recursive: true });
  }
}
