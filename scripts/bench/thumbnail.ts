import { inspectPicture } from "../../src/photos/picture.ts";
import { makeReadable, shrink } from "../../src/photos/thumbnail.ts";
import { atMost, type Figure, median } from "./figure.ts";

const [width, height] = [4000, 3000];
const turns = 9;

/** A JPEG of 12 megapixels, as busy as a photo of leaves: waves of all lengths. */
async function photo(): Promise<Blob> {
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
  return new Blob([await new Bun.Image(Buffer.concat([header, pixels])).jpeg({ quality: 92 }).bytes()]);
}

/** From the file's bytes to those of its thumbnail. */
export async function measureThumbnail(): Promise<Figure[]> {
  const file = await photo();
  const times: number[] = [];
  for (let turn = 0; turn < turns; turn++) {
    const began = performance.now();
    await shrink(await makeReadable(await inspectPicture(file), () => {}), 512, "image/jpeg");
    times.push(performance.now() - began);
  }
  return [atMost("a 512 px thumbnail of a JPEG of 12 megapixels", median(times), 80, "ms")];
}
