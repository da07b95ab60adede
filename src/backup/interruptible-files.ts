import type { Fingerprint } from "../storage/fingerprint.ts";
import type { BackupFiles, FileInfo } from "./files.ts";

/** Hands a stream on until somebody breaks it off: it fails then, and its source is told. */
function untilAborted(source: ReadableStream<Uint8Array>, signal: AbortSignal): ReadableStream<Uint8Array> {
  const reader = source.getReader() as ReadableStreamDefaultReader<Uint8Array>;
  // Ends a read that waits, too. No race of promises: the one that never ends would keep every piece that won.
  const abort = () => void reader.cancel(signal.reason).catch(() => {});
  signal.addEventListener("abort", abort, { once: true });
  const done = () => signal.removeEventListener("abort", abort);
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { value } = await reader.read();
        signal.throwIfAborted();
        if (value) return controller.enqueue(value);
        done();
        controller.close();
      },
      async cancel(reason) {
        done();
        await reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}

/** A place of backups that can be left in the middle: whatever is read or written then fails with the signal's reason. */
export class InterruptibleFiles implements BackupFiles {
  constructor(
    private readonly files: BackupFiles,
    private readonly signal: AbortSignal,
  ) {}

  get place(): string {
    return this.files.place;
  }

  get isReadOnly(): boolean {
    return this.files.isReadOnly ?? false;
  }

  async write(name: string, body: ReadableStream<Uint8Array>): Promise<Fingerprint> {
    this.signal.throwIfAborted();
    return this.files.write(name, untilAborted(body, this.signal));
  }

  async read(name: string): Promise<ReadableStream<Uint8Array> | null> {
    this.signal.throwIfAborted();
    const body = await this.files.read(name);
    return body && untilAborted(body, this.signal);
  }

  async *list(prefix: string): AsyncGenerator<FileInfo> {
    for await (const file of this.files.list(prefix)) {
      this.signal.throwIfAborted();
      yield file;
    }
  }

  async remove(name: string): Promise<void> {
    this.signal.throwIfAborted();
    await this.files.remove(name);
  }

  lock(): Promise<() => Promise<void>> {
    return this.files.lock();
  }

  close(): Promise<void> {
    return this.files.close();
  }
}
