import type { Config } from "../../../src/config/config.ts";
import type { StorageConfig } from "../../../src/storage/open-storage.ts";
import type { Findings } from "../question.ts";

/** Makes a bucket that is missing, and writes, reads and deletes a small object in it. */
export async function examineBucket(config: StorageConfig): Promise<Findings> {
  const { s3Target } = await import("../../../src/storage/open-storage.ts");
  const { ensureBucket } = await import("../../../src/storage/ensure-bucket.ts");
  const { S3Storage } = await import("../../../src/storage/s3-storage.ts");
  const storage = new S3Storage(s3Target(config));
  try {
    const made = await ensureBucket(storage.target);
    await storage.probe();
    return { problems: [], notes: made ? [`Made the bucket ${config.storageBucket}.`] : [] };
  } catch (error) {
    return { problems: [{ message: `${(error as Error).message}.` }] };
  } finally {
    await storage.close();
  }
}

/** The settings of the bucket for backups, under the names that those of pictures have. */
export function backupBucket(config: Config): StorageConfig {
  return {
    dataDir: config.dataDir,
    storageBackend: "s3",
    storageBucket: config.backupS3Bucket ?? "",
    storageRegion: config.backupS3Region,
    storageEndpoint: config.backupS3Endpoint,
    storageAccessKey: config.backupS3AccessKey,
    storageSecretKey: config.backupS3SecretKey,
    storagePathStyle: config.backupS3PathStyle,
    storagePublicEndpoint: undefined,
  };
}
