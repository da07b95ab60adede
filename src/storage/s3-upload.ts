import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { cut, type Piece } from "./pieces.ts";
import type { S3Calls } from "./s3-calls.ts";
import type { ObjectPlace } from "./s3-window.ts";

/** Bytes of a part: what an upload holds in memory. S3 takes 10,000 of them. */
export const partSize = 8 * 1024 * 1024;

export interface UploadTarget extends ObjectPlace {
  readonly ContentType: string;
}

/** Uploads a stream: at once when it ends within the first part, else part after part. */
export async function upload(
  calls: S3Calls,
  target: UploadTarget,
  body: ReadableStream<Uint8Array>,
): Promise<void> {
  const pieces = cut(body, partSize);
  try {
    const { value: first } = await pieces.next();
    if (first.isLast) await calls.send(new PutObjectCommand({ ...target, Body: first.bytes }));
    else await uploadParts(calls, target, first, pieces);
  } finally {
    await pieces.return(undefined);
  }
}

async function uploadParts(
  calls: S3Calls,
  target: UploadTarget,
  first: Piece,
  rest: AsyncGenerator<Piece>,
): Promise<void> {
  const { UploadId } = await calls.send(new CreateMultipartUploadCommand(target));
  const { Bucket, Key } = target;
  const upload = { Bucket, Key, UploadId };
  try {
    const Parts = [await uploadPart(calls, upload, 1, first)];
    for await (const piece of rest) Parts.push(await uploadPart(calls, upload, Parts.length + 1, piece));
    await calls.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts } }));
  } catch (error) {
    // Not waited for: the storage may be away. What stays is swept.
    calls.send(new AbortMultipartUploadCommand(upload)).catch(() => {});
    throw error;
  }
}

async function uploadPart(
  calls: S3Calls,
  upload: { Bucket: string; Key: string; UploadId: string | undefined },
  PartNumber: number,
  { bytes }: Piece,
) {
  calls.garbage.note(2 * bytes.byteLength);
  const { ETag } = await calls.send(new UploadPartCommand({ ...upload, PartNumber, Body: bytes }));
  return { PartNumber, ETag };
}
