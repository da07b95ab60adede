import { AppError, invalid } from "../errors.ts";
import { readDisposition, readParameters, readPartHeaders } from "./multipart-headers.ts";
import { PartReader } from "./part-reader.ts";

/** Most parts that a body may have. */
export const maxParts = 20;

/** One part of a form. */
export interface Part {
  /** The field. */
  readonly name: string;
  /** As the client wrote it, and no path to be trusted; null for a field that is no file. */
  readonly fileName: string | null;
  /** Lower-case names. What they say of the content is the client's opinion. */
  readonly headers: ReadonlyMap<string, string>;
  /** Good until the next part is asked for. It may be left unread; nothing is read ahead of who reads it. */
  readonly body: ReadableStream<Uint8Array>;
}

/** The boundary of a form. Any text without control characters is taken; RFC 2046 allows fewer. */
function boundaryOf(request: Request): string {
  const type = readParameters(request.headers.get("content-type") ?? "");
  if (!/^multipart\/form-data\s*(;|$)/i.test(request.headers.get("content-type") ?? ""))
    throw new AppError("UNSUPPORTED_MEDIA_TYPE", "Send the body as multipart/form-data");
  const boundary = type?.values.get("boundary") ?? "";
  if (/^[ -~]{0,69}[!-~]$/.test(boundary)) return boundary;
  throw invalid({ "Content-Type": "needs a boundary of 1 to 70 characters" });
}

function bodyOf(reader: PartReader, part: number): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const bytes = await reader.read(part);
        if (bytes === null) controller.close();
        else controller.enqueue(bytes);
      },
    },
    { highWaterMark: 0 },
  );
}

/**
 * Reads a form part by part as it arrives (RFC 7578, RFC 2046 section 5.1): no part is ever in memory as a whole. What
 * is left of a part when the next is asked for is read and dropped. Sizes of parts are the caller's to limit.
 * @throws 415 when the request says that it is no form; 400 when it has no boundary, ends before its closing one, has
 * malformed headers, or more than 20 parts. Bodies of parts fail with the same errors.
 */
export async function* readMultipart(request: Request): AsyncGenerator<Part, void, undefined> {
  const reader = new PartReader(request.body, boundaryOf(request));
  try {
    for (let part = 1; await reader.next(); part++) {
      if (part > maxParts) throw invalid({ body: `has more than ${maxParts} parts` });
      const headers = readPartHeaders(await reader.readHeaders());
      yield { ...readDisposition(headers.get("content-disposition")), headers, body: bodyOf(reader, part) };
    }
  } finally {
    reader.close();
  }
}
