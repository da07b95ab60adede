/** Bytes that may pass through before what they left behind is collected: a few per cent of the time that they take. */
const collectedEvery = 64 * 1024 * 1024;

/**
 * Counts bytes that pass through, and has the garbage collected now and then. The collector goes by the memory of the
 * machine: left alone, it lets a stream of pictures pile up hundreds of megabytes that nobody needs any longer.
 */
export class Garbage {
  #bytes = 0;

  /** @param every bytes after which to collect: fewer where they come in many small pieces */
  constructor(private readonly every = collectedEvery) {}

  /** So many bytes have been here, and are on their way. */
  note(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes < this.every) return;
    this.#bytes = 0;
    Bun.gc(true);
  }
}
