import { AppError, invalid } from "../errors.ts";

const tooLarge = (size: number) => new AppError("PAYLOAD_TOO_LARGE", `The body is larger than ${size} bytes`);
const tooSmall = (size: number) => invalid({ body: `is smaller than ${size} bytes` });

/** A body that has to have exactly a number of bytes. It fails before its end otherwise, so that nothing is kept. */
export class ExactBody {
  readonly stream: ReadableStream<Uint8Array>;
  /** What was wrong with the body. Storages may tell of it in words of their own. */
  failure: AppError | undefined;
  #left: number;
  readonly #source: ReadableStreamDefaultReader<Uint8Array> | undefined;

  /**
   * @param size bytes
   * @throws 413 or 400 when the request says itself that it has more or fewer
   */
  constructor(request: Request, size: number) {
    const announced = Number(request.headers.get("content-length") ?? size);
    if (announced > size) throw tooLarge(size);
    if (announced < size) throw tooSmall(size);
    this.#left = size;
    this.#source = request.body?.getReader() as ReadableStreamDefaultReader<Uint8Array> | undefined;
    this.stream = new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          const chunk = await this.#next(size);
          if (chunk) controller.enqueue(chunk);
          else controller.close();
        },
      },
      { highWaterMark: 0 },
    );
  }

  /** Lets go of the request's body. What was not read of it is left to whoever answers the request. */
  close(): void {
    this.#source?.releaseLock();
  }

  async #next(size: number) {
    const chunk = await this.#source
      ?.read()
      .catch(() => this.#fail(invalid({ body: "did not arrive whole" })));
    this.#left -= chunk?.value?.byteLength ?? 0;
    if (this.#left < 0) this.#fail(tooLarge(size));
    if ((!chunk || chunk.done) && this.#left > 0) this.#fail(tooSmall(size));
    return chunk?.value;
  }

  #fail(error: AppError): never {
    this.failure = error;
    throw error;
  }
}
