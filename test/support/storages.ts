import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  ListMultipartUploadsCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import { connect, type DatabaseClient, parseDatabaseUrl } from "../../src/database/client.ts";
import { openStorage, type StorageConfig } from "../../src/storage/open-storage.ts";
import type { ObjectStorage } from "../../src/storage/storage.ts";
import { findMinio, type S3Server, startMinio } from "./minio.ts";
import { createTestDatabase } from "./shared-postgres.ts";
import { testConfig } from "./test-server.ts";

export const backends = ["directory", "database", "s3"] as const;
export type Backend = (typeof backends)[number];

/** A storage of a test's own, empty. */
export interface TestStorage {
  readonly storage: ObjectStorage & { sweepFragments(): Promise<void> };
  readonly config: StorageConfig;
  /** The folder above that of the objects; of the backend `directory`. */
  readonly folder?: string;
  /** Of the backend `database`. */
  readonly client?: DatabaseClient;
  /** What lies about of writes to a key that did not end well. */
  fragments(key: string): Promise<number>;
  remove(): Promise<void>;
}

/** Opens an empty storage of a kind, as the server would. */
export async function openTestStorage(backend: Backend): Promise<TestStorage> {
  return { directory: openFolder, database: openDatabase, s3: openBucket }[backend]();
}

async function open(overrides: Partial<StorageConfig>, client?: DatabaseClient) {
  const config = testConfig(overrides);
  const storage = await openStorage(config, client?.db as DatabaseClient["db"]);
  return { config, storage: storage as TestStorage["storage"] };
}

async function openFolder(): Promise<TestStorage> {
  const folder = await mkdtemp(join(tmpdir(), "tg-objects-"));
  return {
    ...(await open({ storageBackend: "directory", dataDir: folder })),
    folder,
    fragments: async () => (await readdir(join(folder, "objects/incoming")).catch(() => [])).length,
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

async function openDatabase(): Promise<TestStorage> {
  const own = await createTestDatabase();
  const client = connect(parseDatabaseUrl(own.url), 5);
  return {
    ...(await open({ storageBackend: "database" }, client)),
    client,
    async fragments() {
      const [row] = await client.sql`
        SELECT count(*)::int AS count FROM stored_chunks WHERE key NOT IN (SELECT key FROM stored_blobs)`;
      return row?.count;
    },
    async remove() {
      await client.close();
      await own.drop();
    },
  };
}

async function openBucket(): Promise<TestStorage> {
  const server = await s3Server();
  const Bucket = `test-${crypto.randomUUID()}`;
  const client = await adminOf(server);
  await client.send(new CreateBucketCommand({ Bucket }));
  const opened = await open({ ...s3Config(server), storageBucket: Bucket });
  return {
    ...opened,
    async fragments(key) {
      const found = await client.send(new ListMultipartUploadsCommand({ Bucket, Prefix: key }));
      return found.Uploads?.length ?? 0;
    },
    async remove() {
      for await (const { key } of opened.storage.list("")) await opened.storage.delete(key);
      await client.send(new DeleteBucketCommand({ Bucket }));
      await opened.storage.close();
    },
  };
}

/** The SDK as it comes, for what storages do not do. */
async function adminOf(server: S3Server): Promise<S3Client> {
  const { S3Client } = await import("@aws-sdk/client-s3");
  return new S3Client({
    endpoint: server.endpoint,
    region: server.region,
    forcePathStyle: true,
    credentials: { accessKeyId: server.accessKey, secretAccessKey: server.secretKey },
  });
}

/** Settings that lead to a server. */
export function s3Config(server: S3Server): Partial<StorageConfig> {
  return {
    storageBackend: "s3",
    storageEndpoint: server.endpoint,
    storagePublicEndpoint: server.endpoint,
    storageRegion: server.region,
    storageAccessKey: server.accessKey,
    storageSecretKey: server.secretKey,
  };
}

function givenServer(): S3Server | null {
  const { TEST_S3_ENDPOINT, TEST_S3_ACCESS_KEY, TEST_S3_SECRET_KEY, TEST_S3_REGION } = process.env;
  if (!TEST_S3_ENDPOINT) return null;
  return {
    endpoint: TEST_S3_ENDPOINT,
    accessKey: TEST_S3_ACCESS_KEY ?? "",
    secretKey: TEST_S3_SECRET_KEY ?? "",
    region: TEST_S3_REGION || "us-east-1",
  };
}

/** Whether there is a server to test S3 against: tests that need one are skipped where there is none. */
export const hasS3Server = (): boolean => givenServer() !== null || findMinio() !== null;

/** Whether there must be one, lest S3 goes untested without anybody noticing. */
export const needsS3Server = (): boolean =>
  /^(1|true)$/i.test(process.env.TEST_REQUIRE_MINIO || process.env.CI || "");

async function start(): Promise<S3Server> {
  const program = findMinio();
  if (!program) throw new Error("there is no MinIO to test S3 against: run scripts/ensure-minio.sh");
  return startMinio(program);
}

let shared: Promise<S3Server> | undefined;

/** The server that all tests of this process share: `TEST_S3_ENDPOINT`, else a MinIO. */
export async function s3Server(): Promise<S3Server> {
  const given = givenServer();
  if (given) return given;
  shared ??= start();
  return shared;
}
