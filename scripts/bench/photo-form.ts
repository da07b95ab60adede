import type { BenchPhone } from "./phone.ts";

/** Bytes of a photo as phones take them. */
export const pictureBytes = 5_000_000;

const boundary = "bench-boundary";
const contentType = `multipart/form-data; boundary=${boundary}`;
const tail = Buffer.from(`\r\n--${boundary}--\r\n`);

function head(id: string): Buffer {
  const metadata = JSON.stringify({ id, timestamp: "2026-01-01T12:00:00.000Z" });
  return Buffer.from(
    `--${boundary}\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n${metadata}\r\n` +
      `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="photo.jpg"\r\nContent-Type: image/jpeg\r\n\r\n`,
  );
}

/** A JPEG of one pixel. */
const small = await new Bun.Image(Buffer.from("R0lGODdhAQABAIAAAP///////ywAAAAAAQABAAACAkQBADs=", "base64"))
  .jpeg()
  .bytes();

/** A JPEG with noise behind its end: the server's work on it is that of storing it. */
function fill(bytes: Buffer, seed: number): Buffer {
  const noise = crypto.getRandomValues(new Uint8Array(65_536));
  for (let at = 0; at < bytes.length; at += noise.length) bytes.set(noise.subarray(0, bytes.length - at), at);
  bytes.set(small);
  bytes.writeUInt32LE(seed, bytes.length - 4);
  return bytes;
}

async function send(
  phone: BenchPhone,
  body: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>,
  length: number,
): Promise<string> {
  const answer = await fetch(`${phone.server.url}/api/v1/photos/upload`, {
    method: "POST",
    headers: { ...phone.headers, "Content-Type": contentType, "Content-Length": String(length) },
    body,
  });
  if (answer.status !== 201) throw new Error(`an upload answered ${answer.status}: ${await answer.text()}`);
  return ((await answer.json()) as { url: string }).url;
}

/** Photos of 5 MB, all different, in a form that is written before the clock starts. */
export class PhotoForm {
  readonly #bytes = fill(Buffer.alloc(pictureBytes), 0);

  constructor(private readonly turn: number) {}

  /** The bytes of a picture. */
  picture(index: number): Buffer {
    const bytes = Buffer.from(this.#bytes);
    bytes.writeUInt32LE(this.turn * 1000 + index, pictureBytes - 4);
    return bytes;
  }

  /** @returns where the picture can be fetched */
  upload(phone: BenchPhone, index: number): Promise<string> {
    const body = Buffer.concat([head(`photo_${this.turn}_${index}`), this.picture(index), tail]);
    return send(phone, body, body.length);
  }

  /** A picture of any size, sent piece by piece, so that the sender holds none of it. */
  static uploadLarge(phone: BenchPhone, index: number, size: number): Promise<string> {
    const start = head(`large_${index}_${size}`);
    const piece = fill(Buffer.alloc(1024 * 1024), index);
    let left = size - piece.length;
    const pieces = (function* () {
      yield Buffer.concat([start, piece]);
      for (; left > 0; left -= piece.length) yield piece.subarray(0, left);
      yield tail;
    })();
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        const { value, done } = pieces.next();
        if (done) controller.close();
        else controller.enqueue(new Uint8Array(value));
      },
    });
    return send(phone, body, start.length + size + tail.length);
  }
}
