import { invalid } from "../errors.ts";
import { type Part, readMultipart } from "../http/multipart.ts";
import type { Spool, SpooledPicture } from "./spool.ts";

/** Bytes of the longest metadata, and of everything else beside the picture. */
const longestMetadata = 64 * 1024;

/** What a phone sends with a picture; whoever reads it lets go of the picture. */
export interface UploadForm {
  /** Parsed JSON, not yet checked. */
  readonly metadata: unknown;
  readonly picture: SpooledPicture;
}

async function readMetadata(part: Part): Promise<unknown> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of part.body) {
    size += piece.byteLength;
    if (size > longestMetadata) throw invalid({ metadata: `is longer than ${longestMetadata} bytes` });
    pieces.push(piece);
  }
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(pieces)));
  } catch {
    throw invalid({ metadata: "is not valid JSON in UTF-8" });
  }
}

/** Reads the parts; what is received is told to `keep` at once, so that it can be let go of whatever comes after. */
async function readParts(request: Request, spool: Spool, keep: (picture: SpooledPicture) => void) {
  let metadata: { value: unknown } | undefined;
  let picture: SpooledPicture | undefined;
  for await (const part of readMultipart(request)) {
    if (part.name === "metadata") {
      if (metadata) throw invalid({ metadata: "is there twice" });
      metadata = { value: await readMetadata(part) };
    } else if (part.name === "file") {
      if (picture) throw invalid({ file: "is there twice" });
      picture = await spool.receive(part.body);
      keep(picture);
    }
  }
  if (!picture) throw invalid({ file: "is missing" });
  if (!metadata) throw invalid({ metadata: "is missing" });
  return { metadata: metadata.value, picture };
}

/**
 * Reads an upload: the parts `file` and `metadata`, in any order; others are passed over.
 * @throws 400 for what is missing, double, cut off or no JSON; what the spool throws for the picture. Nothing is kept.
 */
export async function readUpload(request: Request, spool: Spool): Promise<UploadForm> {
  const announced = Number(request.headers.get("content-length") ?? 0);
  if (announced > spool.maxBytes + 2 * longestMetadata) throw spool.tooLarge();
  let received: SpooledPicture | undefined;
  try {
    return await readParts(request, spool, (picture) => {
      received = picture;
    });
  } catch (error) {
    await received?.[Symbol.asyncDispose]();
    throw error;
  }
}
