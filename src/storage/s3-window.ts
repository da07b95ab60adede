import { GetObjectCommand, type GetObjectCommandOutput } from "@aws-sdk/client-s3";
import { away } from "./away.ts";
import { Deadline } from "./deadline.ts";
import type { S3Calls } from "./s3-calls.ts";
import { toUnavailable } from "./s3-errors.ts";
import type { ByteRange } from "./storage.ts";

/**
 * Bytes that are fetched at once: what a reader holds in memory. MinIO locks an object until its answer is taken, so
 * that a slow phone would keep it from being deleted; other servers hang up on it.
 */
const windowSize = 2 * 1024 * 1024;

/** A part of an object, as large as is fetched at once. */
export interface Window {
  readonly bytes: Uint8Array;
  /** Bytes of the whole object. */
  readonly size: number;
  /** Stands for the content of the whole object. */
  readonly etag: string | undefined;
}

export interface ObjectPlace {
  readonly Bucket: string;
  readonly Key: string;
}

/**
 * Fetches the first part of a range.
 * @param etag what the object has to be still
 * @throws 503, also when bytes stop coming, or when there are too few
 */
export async function fetchWindow(
  calls: S3Calls,
  place: ObjectPlace,
  { start, end }: ByteRange,
  etag?: string,
): Promise<Window> {
  const last = Math.min(end, start + windowSize - 1);
  const deadline = new Deadline();
  const request = { ...place, Range: `bytes=${start}-${last}`, ...(etag && { IfMatch: etag }) };
  const answer = await calls.send(new GetObjectCommand(request), deadline);
  const bytes = await readBody(answer, deadline);
  calls.garbage.note(2 * bytes.byteLength);
  const [, from, to, size] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(answer.ContentRange ?? "")?.map(Number) ?? [];
  if (
    size === undefined ||
    from !== start ||
    to !== Math.min(last, size - 1) ||
    bytes.length !== to - from + 1
  )
    throw away(
      new Error(`asked for bytes ${start} to ${last}, S3 sent ${bytes.length} (${answer.ContentRange})`),
    );
  return { bytes, size, etag: answer.ETag };
}

/** Fetches the windows that follow on a first one, each when it is asked for. */
export async function* fetchAll(
  calls: S3Calls,
  place: ObjectPlace,
  { start, end }: ByteRange,
  first: Window,
): AsyncGenerator<Uint8Array> {
  const range = { start, end: Math.min(end, first.size - 1) };
  for (let window = first; ; window = await fetchWindow(calls, place, range, first.etag)) {
    yield window.bytes;
    range.start += window.bytes.byteLength;
    if (range.start > range.end) return;
  }
}

async function readBody({ Body }: GetObjectCommandOutput, deadline: Deadline): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  const read = async () => {
    for await (const chunk of Body as unknown as ReadableStream<Uint8Array>) {
      deadline.extend();
      chunks.push(chunk);
    }
  };
  deadline.extend();
  try {
    await deadline.race(read());
  } catch (error) {
    throw toUnavailable(error);
  } finally {
    deadline.pause();
  }
  return Buffer.concat(chunks);
}
