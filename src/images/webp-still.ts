/** Bits of the flags in VP8X, of Google's WebP container specification. */
const animated = 0x02;
const [hasColourProfile, hasAlpha] = [0x20, 0x10];
/** Chunks that are stepped over until the first frame comes. */
const mostChunks = 100;
/** Bytes before a frame's own chunks: its place, size, duration and flags. */
const frameHeader = 16;

async function bytesOf(file: Blob, start: number, end: number): Promise<Uint8Array> {
  return new Uint8Array(await file.slice(start, end).arrayBuffer());
}

/** RIFF pads chunks to an even length. */
const even = (length: number) => length + (length % 2);

/** The colour profile and the first frame: those whole chunks, without anything else. */
async function findChunks(file: Blob): Promise<{ profile: Uint8Array; frame: Uint8Array | null }> {
  let profile: Uint8Array = new Uint8Array();
  let at = 12;
  for (let count = 0; count < mostChunks && at + 8 <= file.size; count++) {
    const header = new DataView(await file.slice(at, at + 8).arrayBuffer());
    const type = String.fromCharCode(...new Uint8Array(header.buffer, 0, 4));
    const end = at + 8 + even(header.getUint32(4, true));
    if (type === "ANMF") return { profile, frame: await bytesOf(file, at + 8, end) };
    if (type === "ICCP") profile = await bytesOf(file, at, end);
    at = end;
  }
  return { profile, frame: null };
}

function assemble(flags: number, profile: Uint8Array, frame: Uint8Array): Uint8Array<ArrayBuffer> {
  const still = Buffer.alloc(30);
  still.write("RIFF", 0);
  still.writeUInt32LE(22 + profile.byteLength + frame.byteLength - frameHeader, 4);
  still.write("WEBPVP8X", 8);
  still.writeUInt32LE(10, 16);
  still[20] = flags & (hasColourProfile | hasAlpha);
  // Width and height, less one, three bytes each, as in the frame's own header.
  still.set(frame.subarray(6, 12), 24);
  return new Uint8Array(Buffer.concat([still, profile, frame.subarray(frameHeader)]));
}

/**
 * Bun.Image reads no animated WebP, so its first frame is cut out as a picture of its own.
 * @returns null when the file is not animated, and can be read as it is
 */
export async function firstFrameOfWebp(file: Blob): Promise<Uint8Array<ArrayBuffer> | null> {
  const head = await bytesOf(file, 0, 30);
  const flags = head[20] ?? 0;
  const isExtended = String.fromCharCode(...head.subarray(12, 16)) === "VP8X";
  if (!isExtended || (flags & animated) === 0) return null;
  const { profile, frame } = await findChunks(file);
  return frame && frame.byteLength > frameHeader ? assemble(flags, profile, frame) : null;
}
