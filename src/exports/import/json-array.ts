/** A file that is no list of objects, from some row on. */
export class MalformedList extends Error {
  constructor(
    /** Where it ceases to be one, counted from 1. */
    readonly row: number,
    message: string,
  ) {
    super(message);
  }
}

const code = (character: string) => character.charCodeAt(0);
const [quote, backslash, comma] = [code('"'), code("\\"), code(",")];
const [listBegins, listEnds, objectBegins, objectEnds] = [code("["), code("]"), code("{"), code("}")];
const isSpace = (byte: number) => byte === 32 || byte === 10 || byte === 13 || byte === 9;
/** Of a byte order mark in UTF-8, with which some editors begin a file. */
const isOfMark = (byte: number) => byte === 0xef || byte === 0xbb || byte === 0xbf;

/** Objects and lists within an object at most: as values they take many times the room that they take as text. */
const mostParts = 1000;
/** The same of keys and values: as many as the longest list of ids, such as phones choose them, that an object has room for. */
const mostValues = 200_000;

/** What may come next; `end` is that of the object under way. */
type Expected = "list" | "first" | "object" | "end" | "separator" | "nothing";

/** Cuts the text of a list into the texts of its objects. Inside of these it only minds where they end. */
class Cutter {
  #expected: Expected = "list";
  #depth = 0;
  #inString = false;
  #escaped = false;
  /** Of the object under way, what came with earlier pieces. */
  #begun: Uint8Array[] = [];
  #begunBytes = 0;
  #parts = 0;
  #values = 0;
  #row = 0;
  readonly #decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });

  /** @param longest bytes of an object at most */
  constructor(private readonly longest: number) {}

  /** @param found takes the texts of the objects that end in a piece, up to what is malformed */
  take(piece: Uint8Array, found: string[]): void {
    for (let at = 0; at < piece.length; ) {
      if (this.#expected !== "end") {
        at = this.#between(piece, at);
        continue;
      }
      const end = this.#endOfObject(piece, at);
      this.#keep(piece.subarray(at, end));
      if (this.#depth === 0) found.push(this.#finish());
      at = end;
    }
  }

  end(): void {
    if (this.#expected !== "nothing") throw this.#malformed("the file ends in the middle of its list");
  }

  #malformed(message: string): MalformedList {
    return new MalformedList(this.#row + 1, message);
  }

  /** Passes over what stands between objects, up to the next one. @returns where to go on */
  #between(piece: Uint8Array, start: number): number {
    for (let at = start; at < piece.length; at++) {
      const byte = piece[at] as number;
      if (isSpace(byte) || (this.#expected === "list" && isOfMark(byte))) continue;
      if (byte === objectBegins && (this.#expected === "first" || this.#expected === "object")) {
        this.#begun = [];
        this.#begunBytes = 0;
        this.#parts = 0;
        this.#values = 0;
        this.#expected = "end";
        return at;
      }
      this.#expected = this.#after(byte);
    }
    return piece.length;
  }

  #after(byte: number): Expected {
    const expected = this.#expected;
    if (expected === "list" && byte === listBegins) return "first";
    if (expected === "separator" && byte === comma) return "object";
    if ((expected === "separator" || expected === "first") && byte === listEnds) return "nothing";
    throw this.#malformed(
      expected === "list" ? "the file is no list" : "is no object, or not well separated",
    );
  }

  /** @returns where in a piece the object under way ends, or the piece does */
  #endOfObject(piece: Uint8Array, start: number): number {
    // Looks at every byte of a journal: locals are several times faster than fields.
    let depth = this.#depth;
    let inString = this.#inString;
    let escaped = this.#escaped;
    let parts = this.#parts;
    let values = this.#values;
    let at = start;
    for (let isOpen = true; isOpen && at < piece.length; at++) {
      const byte = piece[at] as number;
      if (inString) {
        if (escaped) escaped = false;
        else if (byte === backslash) escaped = true;
        else if (byte === quote) inString = false;
      } else if (byte === quote) inString = true;
      else if (byte === objectBegins || byte === listBegins) {
        depth++;
        parts++;
      } else if (byte === objectEnds || byte === listEnds) isOpen = --depth > 0;
      else if (byte === comma) values++;
    }
    this.#depth = depth;
    this.#inString = inString;
    this.#escaped = escaped;
    this.#parts = parts;
    this.#values = values;
    return at;
  }

  #keep(part: Uint8Array): void {
    this.#begun.push(part);
    this.#begunBytes += part.length;
    if (this.#begunBytes > this.longest)
      throw this.#malformed(`is longer than ${this.longest / 1024 / 1024} MB`);
    if (this.#parts > mostParts) throw this.#malformed(`has more than ${mostParts} parts`);
    if (this.#values > mostValues) throw this.#malformed(`has more than ${mostValues} values`);
  }

  #finish(): string {
    const [first = new Uint8Array(), ...more] = this.#begun;
    const bytes = more.length === 0 ? first : Buffer.concat(this.#begun);
    this.#begun = [];
    this.#expected = "separator";
    try {
      return this.#decoder.decode(bytes);
    } catch {
      throw this.#malformed("is not UTF-8");
    } finally {
      this.#row++;
    }
  }
}

/**
 * Reads a list of objects of any length, in JSON however it is laid out, holding no more of it than an object and a piece.
 * Whether the objects are JSON is left to who parses them.
 * @param longest bytes of an object at most
 * @returns texts of objects, as many as each piece completes
 * @throws MalformedList
 */
export async function* objectTexts(
  pieces: AsyncIterable<Uint8Array>,
  longest: number,
): AsyncGenerator<readonly string[]> {
  const cutter = new Cutter(longest);
  for await (const piece of pieces) {
    const found: string[] = [];
    let failure: unknown = null;
    try {
      cutter.take(piece, found);
    } catch (error) {
      failure = error;
    }
    yield found;
    if (failure !== null) throw failure;
  }
  cutter.end();
}
