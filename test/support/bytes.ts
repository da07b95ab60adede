import { randomBytes } from "node:crypto";

/** Bytes that no two places of have in common. */
export const someBytes = (size: number): Buffer<ArrayBuffer> => randomBytes(size);

/** A stream in steps that no chunk or part is a multiple of. */
export function streamOf(bytes: Uint8Array, step = 100_003): ReadableStream<Uint8Array> {
  let sent = 0;
  return new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        if (sent < bytes.byteLength) controller.enqueue(bytes.subarray(sent, sent + step));
        else controller.close();
        sent += step;
      },
    },
    { highWaterMark: 0 },
  );
}

/** The same, but it breaks off where the bytes end. */
export function brokenStreamOf(bytes: Uint8Array): ReadableStream<Uint8Array> {
  const reader = streamOf(bytes).getReader();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { value } = await reader.read();
      if (!value) throw new Error("the sender went away");
      controller.enqueue(value);
    },
  });
}
