import { away, causeOf, diskFull } from "./away.ts";

/** Codes of S3 in words for an administrator. */
const meanings: Record<string, (bucket: string) => string> = {
  NoSuchBucket: (bucket) => `the bucket ${bucket} does not exist`,
  AccessDenied: (bucket) => `access denied to the bucket ${bucket}: the access key lacks permissions`,
  AllAccessDisabled: (bucket) => `access denied to the bucket ${bucket}: it is disabled`,
  InvalidAccessKeyId: () => "the access key does not exist",
  SignatureDoesNotMatch: () => "the secret key is wrong",
  RequestTimeTooSkewed: () => "the clocks of this server and of the storage differ too much",
  AuthorizationHeaderMalformed: () => "the region is wrong",
  PermanentRedirect: (bucket) => `the bucket ${bucket} lies in another region or at another endpoint`,
  XMinioStorageFull: () => "the disk of the storage is full",
};

/** What the SDK throws: an answer of S3 has metadata, and one without a body is named by its status only. */
interface SdkError extends Error {
  readonly code?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: number };
}

/** HTTP status of an error that S3 answered with. */
export const statusOf = (error: unknown): number | undefined =>
  (error as SdkError | null)?.$metadata?.httpStatusCode;

/** Whether S3 says that it has no such object. */
export const isMissing = (error: unknown): boolean =>
  statusOf(error) === 404 && (error as Error).name !== "NoSuchBucket";

/** Whether S3 says that an object has no such bytes. */
export const isUnsatisfiable = (error: unknown): boolean => statusOf(error) === 416;

/** 503 for whatever S3 or the way to it is to blame for; other errors stay what they are. */
export function toUnavailable(error: unknown): unknown {
  const { name, code } = error as SdkError;
  if (name === "XMinioStorageFull") return diskFull(error);
  const isFault = statusOf(error) !== undefined || typeof code === "string" || name === "DeadlineError";
  return isFault ? away(error) : error;
}

/** What went wrong, in words for an administrator. @param what is stored there */
export function explain(error: unknown, bucket: string, endpoint: string, what = "S3 storage"): Error {
  const cause = causeOf(error) as SdkError;
  return new Error(`${what}: ${describe(cause, bucket, endpoint)}`, { cause });
}

function describe(error: SdkError, bucket: string, endpoint: string): string {
  const meaning = meanings[nameOf(error)];
  if (meaning) return meaning(bucket);
  const status = statusOf(error);
  if (status !== undefined) return `${endpoint} answered ${status} (${error.message})`;
  if (typeof error.code === "string" || error.name === "DeadlineError")
    return `${endpoint} cannot be reached (${error.message})`;
  return error.message;
}

function nameOf(error: SdkError): string {
  if (error.name in meanings) return error.name;
  const status = statusOf(error);
  if (status === 403) return "AccessDenied";
  return status === 301 || status === 307 ? "PermanentRedirect" : error.name;
}
