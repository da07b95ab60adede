import { AppError, notFound } from "../errors.ts";
import { readByteRange } from "./byte-range.ts";
import { contentDisposition } from "./content-disposition.ts";

/** All that may be shown in place: these cannot carry scripts. */
const shown = /^image\/(jpeg|png|webp|gif|avif|hei[cf])$/;

/**
 * Streams up to this many bytes are sent as one piece: the runtime gives streams no Content-Length
 * (github.com/oven-sh/bun/issues/10507), and previews are small.
 */
const onePiece = 512 * 1024;

type Body = Blob | ReadableStream<Uint8Array>;
type Range = { readonly start: number; readonly end: number };

/** An object as it shall be handed out. */
export interface ObjectToSend {
  /** Bytes. */
  readonly size: number;
  readonly mediaType: string;
  /** Strong, with its quotes. */
  readonly etag: string;
  readonly fileName: string;
  /** What is no picture is an attachment in any case. */
  readonly disposition: "inline" | "attachment";
  readonly cacheControl: string;
  /** Opens it, or the part of it that is wanted. Null when it is gone. */
  readonly open: (range: Range | null) => Promise<{ readonly body: Body } | null>;
}

const weak = (etag: string) => etag.trim().replace(/^W\//, "");

/** RFC 9110, section 13.1.2: a list of ETags, compared weakly. */
function isKnown(header: string | null, etag: string): boolean {
  if (header === null) return false;
  if (header.trim() === "*") return true;
  return (header.match(/(?:W\/)?"[^"]*"/g) ?? []).some((known) => weak(known) === weak(etag));
}

/** RFC 9110, section 13.1.5: the range counts only for the very same bytes. Dates are none of ours. */
function wantedRange({ method, headers }: Request, { size, etag }: ObjectToSend) {
  // An empty one is none: for the runtime, too, which looks for ranges of whole files itself.
  const condition = headers.get("if-range")?.trim();
  if (method !== "GET" || (condition && condition !== etag)) return null;
  return readByteRange(headers.get("range"), size);
}

function commonHeaders({ etag, cacheControl }: ObjectToSend): Record<string, string> {
  return { ETag: etag, "Cache-Control": cacheControl, "X-Content-Type-Options": "nosniff" };
}

function contentHeaders(object: ObjectToSend, length: number): Record<string, string> {
  const disposition = shown.test(object.mediaType) ? object.disposition : "attachment";
  return {
    ...commonHeaders(object),
    "Accept-Ranges": "bytes",
    "Content-Type": object.mediaType,
    "Content-Length": String(length),
    "Content-Disposition": contentDisposition(disposition, object.fileName),
    "Content-Security-Policy": "default-src 'none'; sandbox",
  };
}

async function inOnePiece(body: ReadableStream<Uint8Array>, length: number): Promise<ArrayBuffer> {
  const bytes = await new Response(body).arrayBuffer();
  if (bytes.byteLength === length) return bytes;
  throw new Error(`an object's stream has ${bytes.byteLength} bytes instead of ${length}`);
}

/**
 * Answers a GET or HEAD with an object: conditions, a single range, and headers that keep a browser from taking it for
 * anything but a picture (RFC 9110, sections 13 and 14). Streams of more than 512 KB go out chunked, without a
 * Content-Length; if one fails, the connection is cut, so that nobody takes the part for the whole.
 * @throws 404 when it is gone, 416 for a range outside of it
 */
export async function objectResponse(request: Request, object: ObjectToSend): Promise<Response> {
  const { size } = object;
  if (isKnown(request.headers.get("if-none-match"), object.etag))
    return new Response(null, { status: 304, headers: commonHeaders(object) });
  const range = wantedRange(request, object);
  if (range === "unsatisfiable") {
    throw new AppError("RANGE_NOT_SATISFIABLE", `There are only ${size} bytes`, {
      headers: { "Content-Range": `bytes */${size}` },
    });
  }
  const length = range ? range.end - range.start + 1 : size;
  const headers = contentHeaders(object, length);
  if (request.method === "HEAD") return new Response(null, { headers });
  const opened = await object.open(range);
  if (opened === null) throw notFound("File");
  const { body } = opened;
  const sent = body instanceof ReadableStream && length <= onePiece ? await inOnePiece(body, length) : body;
  if (range === null) return new Response(sent, { headers });
  headers["Content-Range"] = `bytes ${range.start}-${range.end}/${size}`;
  return new Response(sent, { status: 206, headers });
}
