import { join, resolve } from "node:path";
import type { Config } from "../config/config.ts";
import { amazonEndpoint } from "../storage/open-storage.ts";
import type { S3Target } from "../storage/s3-calls.ts";
import { BackupError } from "./error.ts";
import type { BackupFiles } from "./files.ts";
import type { KeepPolicy } from "./keep.ts";
import { LocalFiles } from "./local-files.ts";
import type { SealingWish } from "./sealing.ts";

/** What of the configuration says where backups lie. */
export type PlacesConfig = Pick<
  Config,
  | "dataDir"
  | "backupDir"
  | "backupS3Bucket"
  | "backupS3Prefix"
  | "backupS3Region"
  | "backupS3Endpoint"
  | "backupS3AccessKey"
  | "backupS3SecretKey"
  | "backupS3PathStyle"
>;

/** The folder of the backups. */
export const backupDir = (config: Pick<Config, "dataDir" | "backupDir">): string =>
  config.backupDir === undefined ? join(config.dataDir, "backups") : resolve(config.backupDir);

/** The first place. Nothing is made there yet. */
export const openFirst = (config: PlacesConfig): LocalFiles => new LocalFiles(backupDir(config));

const target = (bucket: string, config: PlacesConfig): S3Target => ({
  endpoint: config.backupS3Endpoint ?? amazonEndpoint(config.backupS3Region),
  bucket,
  region: config.backupS3Region,
  accessKey: config.backupS3AccessKey ?? "",
  secretKey: config.backupS3SecretKey ?? "",
  pathStyle: config.backupS3PathStyle,
});

/** The second place; null where none is configured. Nothing is reached yet. */
export async function openSecond(config: PlacesConfig): Promise<BackupFiles | null> {
  if (config.backupS3Bucket === undefined) return null;
  // The SDK is large: who does not use S3 does not load it.
  const { S3Files } = await import("./s3-files.ts");
  return new S3Files(target(config.backupS3Bucket, config), config.backupS3Prefix);
}

/** How many backups are kept. */
export const keepPolicy = (
  config: Pick<Config, "backupKeepDaily" | "backupKeepWeekly" | "backupKeepMonthly">,
): KeepPolicy => ({
  daily: config.backupKeepDaily,
  weekly: config.backupKeepWeekly,
  monthly: config.backupKeepMonthly,
});

/** For whose eyes backups are. */
export const sealingWish = (config: Pick<Config, "backupPassphrase" | "backupRecipient">): SealingWish => ({
  passphrase: config.backupPassphrase,
  recipient: config.backupRecipient,
});

/** Which place is meant: the configured folder when none is named. */
export interface PlaceWish {
  readonly dir?: string | undefined;
  readonly s3?: boolean | undefined;
  /** A file, to read from. */
  readonly archive?: string | undefined;
}

/** Opens the place that is meant. @throws BackupError */
export async function openPlaceOf(
  config: PlacesConfig,
  { dir, s3, archive }: PlaceWish,
): Promise<BackupFiles> {
  if (archive !== undefined) {
    const { openArchive } = await import("./archive-reader.ts");
    return openArchive(archive);
  }
  if (!s3) return dir === undefined ? openFirst(config) : new LocalFiles(resolve(dir));
  const files = await openSecond(config);
  if (files) return files;
  throw new BackupError("refused", "No second place of backups is set: BACKUP_S3_BUCKET names it");
}
