import { Unreadable } from "./unreadable.ts";

/** Scans beyond which a JPEG is made to keep somebody busy: cameras write one, and progressive pictures have ten. */
const mostScans = 200;
/** Bytes of a file that are looked at at a time, and those that a header's interesting part has at most. */
const pieceSize = 256 * 1024;
const headerBytes = 16;

/** Markers, of ITU-T T.81, table B.1. */
const [sos, eoi] = [0xda, 0xd9];
const isRestart = (code: number) => code >= 0xd0 && code <= 0xd7;
const hasNoLength = (code: number) => code === 0x01 || code === 0xd8;
/** Baseline and extended sequential, in Huffman's code: each block is done when it is read. */
const isSequential = (code: number) => code === 0xc0 || code === 0xc1;
/** All kinds of frames: of the range, three are tables. */
const isFrame = (code: number) => code >= 0xc0 && code <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(code);

interface Segment {
  readonly code: number;
  /** Its first bytes, after the marker. */
  readonly head: Uint8Array;
}

/** A file that is read in pieces, from its start to its end. */
class Pieces {
  #start = 0;
  #bytes: Uint8Array = new Uint8Array();

  constructor(private readonly file: Blob) {}

  /** @returns what is at hand from there on, at least `headerBytes` unless the file ends before */
  async from(at: number): Promise<Uint8Array> {
    const end = this.#start + this.#bytes.length;
    if (at < this.#start || (at + headerBytes > end && end < this.file.size)) {
      this.#bytes = new Uint8Array(await this.file.slice(at, at + pieceSize).arrayBuffer());
      this.#start = at;
    }
    return this.#bytes.subarray(at - this.#start);
  }
}

/** What is between markers is stepped over as decoders do: damaged files have anything there. */
async function nextMarker(pieces: Pieces, from: number): Promise<{ code: number; end: number } | null> {
  for (let at = from; ; ) {
    const piece = await pieces.from(at);
    if (piece.length < 2) return null;
    const found = piece.indexOf(0xff);
    const code = piece[found + 1];
    if (found < 0) at += piece.length;
    else if (code === undefined) at += found;
    else if (code === 0xff) at += found + 1;
    else if (code === 0 || isRestart(code)) at += found + 2;
    else return { code, end: at + found + 2 };
  }
}

async function* segmentsOf(file: Blob): AsyncGenerator<Segment> {
  const pieces = new Pieces(file);
  let at = 0;
  for (let next = await nextMarker(pieces, at); next; next = await nextMarker(pieces, at)) {
    const head = await pieces.from(next.end);
    yield { code: next.code, head };
    at = hasNoLength(next.code) ? next.end : next.end + (((head[0] ?? 0) << 8) | (head[1] ?? 0));
  }
}

/**
 * Tells JPEGs that are decoded stripe by stripe, and at about the size that is asked for, from those whose
 * coefficients all have to be in memory: progressive ones, and those with a scan for each colour. Of the former only
 * the headers are read.
 * @throws Unreadable when there are more scans than any camera writes
 */
export async function isDecodedInStripes(file: Blob): Promise<boolean> {
  let components: number | null = null;
  let scans = 0;
  for await (const { code, head } of segmentsOf(file)) {
    if (code === eoi) break;
    if (isFrame(code)) components = isSequential(code) ? (head[7] ?? 0) : null;
    if (code !== sos) continue;
    scans++;
    if (scans === 1 && components !== null && head[2] === components) return true;
    if (scans > mostScans) throw new Unreadable("It has more scans than any camera writes");
  }
  return false;
}
