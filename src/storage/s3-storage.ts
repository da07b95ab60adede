import {
  AbortMultipartUploadCommand,
  DeleteObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  type ListObjectsV2CommandOutput,
} from "@aws-sdk/client-s3";
import { AppError } from "../errors.ts";
import { abandon, toStream } from "./pieces.ts";
import { roundTrip } from "./round-trip.ts";
import { S3Calls, type S3Target } from "./s3-calls.ts";
import { explain, isMissing, isUnsatisfiable } from "./s3-errors.ts";
import { createSigner } from "./s3-signer.ts";
import { upload } from "./s3-upload.ts";
import { fetchAll, fetchWindow, type ObjectPlace } from "./s3-window.ts";
import type { ByteRange, ObjectInfo, ObjectStorage, OpenObject, PutOptions } from "./storage.ts";

/** Milliseconds after which an upload in parts cannot be one that is still under way. */
const fragmentAge = 24 * 60 * 60 * 1000;

/** Whatever the size is. */
const wholeObject: ByteRange = { start: 0, end: Number.MAX_SAFE_INTEGER };

/** Objects in a bucket of a server that speaks S3. */
export class S3Storage implements ObjectStorage {
  readonly backend = "s3";
  readonly #calls: S3Calls;
  readonly #signer: Bun.S3Client | null;

  constructor(readonly target: S3Target) {
    this.#calls = new S3Calls(target);
    this.#signer = createSigner(target);
  }

  async put(key: string, body: ReadableStream<Uint8Array>, { mediaType }: PutOptions): Promise<void> {
    try {
      await upload(this.#calls, { ...this.#at(key), ContentType: mediaType }, body);
    } catch (error) {
      abandon(body);
      throw error;
    }
  }

  async putFile(key: string, path: string, options: PutOptions): Promise<void> {
    const file = Bun.file(path);
    try {
      await this.put(key, file.stream(), options);
    } finally {
      await file.delete().catch(() => {});
    }
  }

  async get(key: string, range: ByteRange = wholeObject): Promise<OpenObject | null> {
    const place = this.#at(key);
    try {
      const first = await fetchWindow(this.#calls, place, range);
      return { size: first.size, body: toStream(fetchAll(this.#calls, place, range, first)) };
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      // An empty object has not even a first byte to begin with.
      if (range.start === 0 && isUnsatisfiable(error.cause)) return { size: 0, body: new Blob([]) };
      if (isMissing(error.cause)) return null;
      throw error;
    }
  }

  async stat(key: string): Promise<ObjectInfo | null> {
    const found = await orNull(this.#calls.send(new HeadObjectCommand(this.#at(key))));
    if (found) return toInfo(key, found.ContentLength, found.LastModified);
    // The answer has no body to say which is missing: object or bucket.
    await this.#calls.send(new HeadBucketCommand({ Bucket: this.target.bucket }));
    return null;
  }

  async delete(key: string): Promise<void> {
    await this.#calls.send(new DeleteObjectCommand(this.#at(key)));
  }

  async *list(prefix: string): AsyncGenerator<ObjectInfo> {
    let page: ListObjectsV2CommandOutput | undefined;
    do {
      const ContinuationToken = page?.NextContinuationToken;
      const input = { Bucket: this.target.bucket, Prefix: prefix };
      page = await this.#calls.send(
        new ListObjectsV2Command({ ...input, ...(ContinuationToken && { ContinuationToken }) }),
      );
      for (const { Key = "", Size, LastModified } of page.Contents ?? [])
        yield toInfo(Key, Size, LastModified);
    } while (page.NextContinuationToken);
  }

  signedUrl(method: "GET" | "PUT", key: string, seconds: number): string | null {
    return this.#signer?.presign(key, { method, expiresIn: seconds }) ?? null;
  }

  async probe(): Promise<void> {
    try {
      await roundTrip(this);
    } catch (error) {
      throw explain(error, this.target.bucket, this.target.endpoint);
    }
  }

  async close(): Promise<void> {
    this.#calls.close();
  }

  /**
   * Gives up uploads in parts that were cut off more than a day ago: on most servers they are kept, and charged for,
   * until somebody does.
   */
  async sweepFragments(): Promise<void> {
    const { bucket: Bucket } = this.target;
    const { Uploads = [] } = await this.#calls.send(new ListMultipartUploadsCommand({ Bucket }));
    for (const { Key, UploadId, Initiated } of Uploads) {
      if (!Initiated || Initiated.getTime() > Date.now() - fragmentAge) continue;
      await orNull(this.#calls.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId })));
    }
  }

  #at(key: string): ObjectPlace {
    return { Bucket: this.target.bucket, Key: key };
  }
}

function toInfo(key: string, size: number | undefined, modifiedAt: Date | undefined): ObjectInfo {
  return { key, size: size ?? 0, modifiedAt: modifiedAt ?? new Date(0) };
}

/** Null for an object that is not there. */
async function orNull<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof AppError && isMissing(error.cause)) return null;
    throw error;
  }
}
