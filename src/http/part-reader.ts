import { invalid } from "../errors.ts";

/** Most bytes that the headers of a part may have. */
export const maxHeaderBytes = 16 * 1024;

/** White space that may follow a boundary on its line (RFC 2046, "transport-padding"). Nobody sends any. */
const maxPadding = 64;

/** Bytes after a delimiter that may make it a line: of a form full of near ones, most are ruled out by these. */
const mayFollow = new Set(Buffer.from("- \t\r"));

const truncated = () => invalid({ body: "ends before its closing boundary" });

/** What a delimiter is part of: a line that starts a part or ends the form, or content that only looks like it. */
interface Line {
  readonly kind: "part" | "end" | "content";
  /** Bytes after the delimiter. */
  readonly length: number;
}

/** Reads on from a delimiter. @returns null when that takes more bytes */
function readLine(after: string, isLast: boolean): Line | null {
  const [start = "", dashes] = /^(--)?[ \t]*/.exec(after) ?? [];
  const kind = dashes ? "end" : "part";
  const rest = after.slice(start.length);
  const isOpen = after === "-" || rest === "" || rest === "\r";
  if (start.length > maxPadding || !(isOpen || rest.startsWith("\r\n")))
    return { kind: "content", length: 0 };
  if (!isOpen) return { kind, length: start.length + 2 };
  // The last line may lack its end.
  return isLast && dashes ? { kind, length: after.length } : null;
}

/** Cuts a multipart body at its boundary lines. Bytes are handed out as they came, not copied. */
export class PartReader {
  readonly #source: ReadableStreamDefaultReader<Uint8Array> | undefined;
  readonly #delimiter: Buffer;
  /** Has come and was not handed out. The body may begin with a boundary: the line end before it is made up. */
  #held: Buffer = Buffer.from("\r\n");
  /** Bytes of `held` that are no content: the empty line after headers, unless it belongs to a boundary already. */
  #lead = 2;
  #ended = false;
  /** Parts so far; 0 is what stands before the first. */
  #part = 0;
  /** The boundary line that `held` starts with. */
  #line: Line | null = null;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(body: ReadableStream<Uint8Array> | null, boundary: string) {
    this.#source = body?.getReader() as ReadableStreamDefaultReader<Uint8Array> | undefined;
    this.#delimiter = Buffer.from(`\r\n--${boundary}`, "latin1");
  }

  /** Goes to the next part, past what is left of this one. @returns false when there is none */
  next(): Promise<boolean> {
    return this.#inTurn(async () => {
      while ((await this.#readContent()) !== null);
      if (this.#line?.kind !== "part") return false;
      this.#drop(this.#delimiter.length + this.#line.length);
      this.#line = null;
      this.#part++;
      return true;
    });
  }

  /** The header lines of a part whose content was not touched yet. @throws 400 when they are too long */
  readHeaders(): Promise<string> {
    return this.#inTurn(async () => {
      for (;;) {
        const end = this.#held.indexOf("\r\n\r\n");
        if (end > maxHeaderBytes || (end < 0 && this.#held.length >= maxHeaderBytes + 4))
          throw invalid({ body: `has a part with more than ${maxHeaderBytes} bytes of headers` });
        if (end < 0) await this.#receive();
        else {
          const text = this.#held.toString("utf8", 0, end);
          this.#drop(end + 2);
          this.#lead = 2;
          return text;
        }
      }
    });
  }

  /** Some bytes of a part; null at its end. @throws when another part has been asked for since */
  read(part: number): Promise<Uint8Array | null> {
    return this.#inTurn(async () => {
      if (part !== this.#part) throw new Error("This part was left for the next one");
      return this.#readContent();
    });
  }

  /** Lets go of a body that may not have been read to its end. Its rest is left to whoever answers the request. */
  close(): void {
    this.#source?.releaseLock();
  }

  /** One after the other: a body that was given up may still be waiting for bytes. */
  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(run);
    this.#queue = result.catch(() => {});
    return result;
  }

  async #readContent(): Promise<Uint8Array | null> {
    while (this.#line === null) {
      const end = this.#findEnd();
      if (end > this.#lead) return this.#take(end);
      if (this.#line === null) await this.#receive();
    }
    return null;
  }

  /** How far what is held is content for certain. Where it begins with a line instead, that is noted. */
  #findEnd(): number {
    const { length } = this.#delimiter;
    let at = this.#held.indexOf(this.#delimiter);
    for (; at >= 0; at = this.#held.indexOf(this.#delimiter, at + length)) {
      if (!mayFollow.has(this.#held[at + length] ?? 0x0d)) continue;
      const after = this.#held.toString("latin1", at + length, at + length + maxPadding + 4);
      const line = readLine(after, this.#ended);
      if (line?.kind === "content") continue;
      if (line === null || at > this.#lead) return at;
      this.#drop(at);
      this.#line = line;
      return 0;
    }
    return this.#held.length - this.#partialDelimiter();
  }

  /** Bytes at the end of what is held that a delimiter may begin with. It has one carriage return, its first byte. */
  #partialDelimiter(): number {
    const from = Math.max(0, this.#held.length - this.#delimiter.length + 1);
    const at = this.#held.subarray(from).lastIndexOf(0x0d);
    if (at < 0) return 0;
    const tail = this.#held.subarray(from + at);
    return this.#delimiter.subarray(0, tail.length).equals(tail) ? tail.length : 0;
  }

  #take(end: number): Uint8Array {
    const bytes = this.#held.subarray(this.#lead, end);
    this.#drop(end);
    return bytes;
  }

  #drop(bytes: number): void {
    this.#held = this.#held.subarray(bytes);
    this.#lead = 0;
  }

  async #receive(): Promise<void> {
    if (this.#ended || !this.#source) throw truncated();
    const { done, value } = await this.#source.read().catch(() => {
      // The client went away.
      throw invalid({ body: "did not arrive whole" });
    });
    if (done) this.#ended = true;
    else if (this.#held.length > 0) this.#held = Buffer.concat([this.#held, value]);
    else this.#held = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  }
}
