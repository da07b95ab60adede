import type { S3Target } from "./s3-calls.ts";

/**
 * What signs URLs: Bun's own client, since it does so at once and thousands a moment.
 * @returns null when phones do not reach the storage
 * @throws when the environment would put a foreign token into every URL
 */
export function createSigner(target: S3Target): Bun.S3Client | null {
  const { publicEndpoint, bucket, region, accessKey, secretKey, pathStyle } = target;
  if (!publicEndpoint) return null;
  const signer = new Bun.S3Client({
    endpoint: pathStyle ? publicEndpoint : withBucket(publicEndpoint, bucket),
    bucket,
    region,
    accessKeyId: accessKey,
    secretAccessKey: secretKey,
    virtualHostedStyle: !pathStyle,
  });
  // Bun takes the token from the environment, and there is no way to tell it not to.
  if (/[?&]X-Amz-Security-Token=/i.test(signer.presign("probe")))
    throw new Error("AWS_SESSION_TOKEN or S3_SESSION_TOKEN is set and would spoil signed URLs: unset it");
  return signer;
}

function withBucket(endpoint: string, bucket: string): string {
  const url = new URL(endpoint);
  url.hostname = `${bucket}.${url.hostname}`;
  return url.href;
}
