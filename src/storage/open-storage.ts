import { join } from "node:path";
import type { Config } from "../config/config.ts";
import type { Database } from "../database/client.ts";
import { DatabaseStorage } from "./database-storage.ts";
import { DirectoryStorage } from "./directory-storage.ts";
import type { S3Target } from "./s3-calls.ts";
import type { ObjectStorage } from "./storage.ts";

/** What of the configuration says where objects lie. */
export type StorageConfig = Pick<
  Config,
  | "storageBackend"
  | "storageBucket"
  | "storageRegion"
  | "storageEndpoint"
  | "storageAccessKey"
  | "storageSecretKey"
  | "storagePathStyle"
  | "storagePublicEndpoint"
  | "dataDir"
>;

/** Opens the storage that is configured. Nothing is reached or made yet: `probe` tells whether it works. */
export async function openStorage(config: StorageConfig, db: Database): Promise<ObjectStorage> {
  if (config.storageBackend === "directory") return new DirectoryStorage(join(config.dataDir, "objects"));
  if (config.storageBackend === "database") return new DatabaseStorage(db);
  // The SDK is large: who does not use S3 does not load it.
  const { S3Storage } = await import("./s3-storage.ts");
  return new S3Storage(s3Target(config));
}

/** How the configured bucket is reached. */
export function s3Target(config: StorageConfig): S3Target {
  return {
    endpoint: config.storageEndpoint ?? amazonEndpoint(config.storageRegion),
    bucket: config.storageBucket,
    region: config.storageRegion,
    accessKey: config.storageAccessKey ?? "",
    secretKey: config.storageSecretKey ?? "",
    pathStyle: config.storagePathStyle,
    publicEndpoint: config.storagePublicEndpoint,
  };
}

/** Amazon's own. Said here, or the SDK would look for one in the environment. */
export const amazonEndpoint = (region: string) =>
  `https://s3.${region}.amazonaws.com${region.startsWith("cn-") ? ".cn" : ""}`;
