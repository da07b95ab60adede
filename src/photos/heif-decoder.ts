import type { MediaType } from "./media-type.ts";
import type { Hold } from "./slots.ts";
import { Unreadable } from "./unreadable.ts";

/** What the worker is asked. */
export interface HeifJob {
  readonly file: Blob;
  readonly mediaType: MediaType;
  readonly maxPixels: number;
}

/** What it answers: a BMP, or null. */
export type HeifResult = ArrayBuffer | null;

/** Milliseconds after which decoding is given up. 50 megapixels take some four seconds on a usual computer. */
const timeout = 30_000;

/** Within an executable all is one file, and the worker an entrypoint that keeps its path in the project. */
const workerPath =
  import.meta.file === "heif-decoder.ts" ? "./heif-worker.ts" : "./src/photos/heif-worker.ts";

async function firstAnswer(worker: Worker): Promise<HeifResult> {
  const { promise, resolve, reject } = Promise.withResolvers<HeifResult>();
  const timer = setTimeout(() => reject(new Unreadable("It takes too long to decode")), timeout);
  worker.onmessage = (event) => resolve(event.data);
  // It catches what goes wrong with a file: this is a fault of the program, and no reason to give a picture up.
  worker.onerror = (event) => reject(new Error(`The decoder failed: ${event.message}`));
  return await promise.finally(() => clearTimeout(timer));
}

/**
 * Decodes a HEIC, HEIF or AVIF, in a thread of its own that is ended afterwards: memory of WebAssembly goes back only
 * then. A thread that computes is not ended at once; `hold` gets the promise of its end.
 * @param maxPixels the file's own word on its size has to have been checked before
 * @returns a BMP: HEIC is upright, AVIF as stored
 * @throws Unreadable
 */
export async function decodeHeif(job: HeifJob, hold: Hold): Promise<Uint8Array<ArrayBuffer>> {
  const worker = new Worker(new URL(workerPath, import.meta.url));
  hold(new Promise((ended) => worker.addEventListener("close", ended)));
  try {
    worker.postMessage(job);
    const bitmap = await firstAnswer(worker);
    if (bitmap === null) throw new Unreadable("The file is damaged, or of a kind that cannot be decoded");
    return new Uint8Array(bitmap);
  } finally {
    worker.terminate();
  }
}
