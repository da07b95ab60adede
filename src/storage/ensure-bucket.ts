import { CreateBucketCommand, HeadBucketCommand } from "@aws-sdk/client-s3";
import { causeOf } from "./away.ts";
import { S3Calls, type S3Target } from "./s3-calls.ts";
import { explain, statusOf } from "./s3-errors.ts";

/** Amazon's first region is the only one that must not be named. Source: Amazon S3 API, CreateBucket. */
const unnamedRegion = "us-east-1";

async function isThere(calls: S3Calls, Bucket: string): Promise<boolean> {
  try {
    await calls.send(new HeadBucketCommand({ Bucket }));
    return true;
  } catch (error) {
    if (statusOf(causeOf(error)) === 404) return false;
    // Keys that may write objects are not always allowed to ask for the bucket: a round trip will tell.
    if (statusOf(causeOf(error)) === 403) return true;
    throw error;
  }
}

/**
 * Makes a bucket where there is none.
 * @returns whether it was made
 * @throws what is wrong, in words for an administrator
 */
export async function ensureBucket(target: S3Target): Promise<boolean> {
  const { bucket: Bucket, region, endpoint } = target;
  const calls = new S3Calls(target);
  const isNamed = region !== unnamedRegion && new URL(endpoint).hostname.includes("amazonaws");
  const place = isNamed && { CreateBucketConfiguration: { LocationConstraint: region as "eu-central-1" } };
  try {
    if (await isThere(calls, Bucket)) return false;
    await calls.send(new CreateBucketCommand({ Bucket, ...place }));
    return true;
  } catch (error) {
    throw explain(error, Bucket, endpoint);
  } finally {
    calls.close();
  }
}
