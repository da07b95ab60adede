/** A part of a stream that was cut anew. */
export interface Piece {
  /** Good until the next piece is asked for: all pieces share their memory. */
  readonly bytes: Uint8Array;
  readonly isLast: boolean;
}

/**
 * Cuts a stream into pieces of one size in bytes. Only the last one is shorter; it is empty when the stream is.
 * Whoever stops taking pieces thereby cancels the stream.
 */
export async function* cut(body: ReadableStream<Uint8Array>, size: number): AsyncGenerator<Piece> {
  const buffer = Buffer.allocUnsafe(size);
  let filled = 0;
  for await (const chunk of body) {
    for (let taken = 0; taken < chunk.byteLength; ) {
      // A full piece is kept until more comes, since it may be the last.
      if (filled === size) {
        yield { bytes: buffer, isLast: false };
        filled = 0;
      }
      const part = chunk.subarray(taken, taken + size - filled);
      buffer.set(part, filled);
      filled += part.byteLength;
      taken += part.byteLength;
    }
  }
  yield { bytes: buffer.subarray(0, filled), isLast: true };
}

/** Tells the source of a stream that nobody is going to read it any more. One that is done already does not mind. */
export function abandon(body: ReadableStream<Uint8Array>): void {
  body.cancel().catch(() => {});
}

/** Hands chunks out as they are asked for. */
export function toStream(chunks: AsyncGenerator<Uint8Array>): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await chunks.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      async cancel() {
        await chunks.return(undefined);
      },
    },
    { highWaterMark: 0 },
  );
}
