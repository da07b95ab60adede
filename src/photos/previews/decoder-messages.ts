import type { PreviewType } from "../../images/media-type.ts";

/** A small picture that is asked for. */
export interface Target {
  /** Pixels of the longest edge. */
  readonly edge: number;
  /** Null for the type that suits the picture. */
  readonly type: PreviewType | null;
  /** Where it is written: a file that is not there yet. */
  readonly path: string;
}

/** What a decoding process is asked: one line of JSON. */
export interface DecodeJob {
  /** The file of the picture. */
  readonly source: string;
  /** The one that somebody waits for comes first; it is made first where the order does not matter. */
  readonly targets: readonly Target[];
  /** How large the picture may be, in places of those for decoding. */
  readonly places: number;
}

/** Told when it has begun, so that a process which died of boredom is told from one that died of a picture. */
interface Begun {
  readonly begun: true;
}

/** Told of each target when its file is there. */
export interface Made {
  readonly made: string;
  readonly type: PreviewType;
}

/** How a job ended; nothing more comes of it. */
export type Ended =
  | { readonly ended: "done" | "gone" | "large"; readonly resident: number }
  | { readonly ended: "unreadable" | "failed"; readonly message: string; readonly resident: number };

/** What it answers: lines of JSON. `resident` are the bytes of memory that the process holds. */
export type Answer = Begun | Made | Ended;

/** The lines of a stream, each when it is whole. */
export async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const bytes of stream) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}
