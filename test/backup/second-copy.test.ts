import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { listSnapshots } from "../../src/backup/manifest.ts";
import { openSecond } from "../../src/backup/places.ts";
import { runBackup } from "../../src/backup/run-backup.ts";
import { openPlace, type SealingWish } from "../../src/backup/sealing.ts";
import { verifySnapshot } from "../../src/backup/verify.ts";
import { newPicture, type PictureServer, startPictureServer, upload } from "../storage/picture-server.ts";
import { hasS3Server } from "../support/storages.ts";
import { type Device, newDevice } from "../support/sync-client.ts";
import { type BackupFolder, flip, namesIn, newFolder, writeJournal } from "./journal.ts";

const policy = { daily: 1, weekly: 0, monthly: 0 };
const passphrase = "a passphrase of several words";
let server: PictureServer;
let device: Device;
let folder: BackupFolder;
let prefix: string;

describe.skipIf(!hasS3Server())("the second copy", () => {
  beforeAll(async () => {
    server = await startPictureServer("directory", true);
    device = await newDevice(server);
    await writeJournal(device);
    await upload(device, crypto.randomUUID(), newPicture(100_000));
  });
  afterAll(() => server.stop());
  beforeEach(async () => {
    folder = await newFolder();
    prefix = crypto.randomUUID();
  });
  afterEach(() => folder.remove());

  /** The bucket, as the configuration names it. */
  const bucket = () => ({
    dataDir: "/nonexistent",
    backupDir: undefined,
    backupS3Bucket: server.config.storageBucket,
    backupS3Prefix: prefix,
    backupS3Region: server.config.storageRegion,
    backupS3Endpoint: server.config.storageEndpoint,
    backupS3AccessKey: server.config.storageAccessKey,
    backupS3SecretKey: server.config.storageSecretKey,
    backupS3PathStyle: true,
  });
  async function open() {
    const second = await openSecond(bucket());
    if (!second) throw new Error("no second place");
    return second;
  }
  const environment = (more: Record<string, string> = {}) => ({
    BACKUP_DIR: folder.path,
    BACKUP_S3_BUCKET: server.config.storageBucket,
    BACKUP_S3_PREFIX: prefix,
    BACKUP_S3_ENDPOINT: server.config.storageEndpoint ?? "",
    BACKUP_S3_ACCESS_KEY: server.config.storageAccessKey ?? "",
    BACKUP_S3_SECRET_KEY: server.config.storageSecretKey ?? "",
    ...more,
  });

  test.each([
    ["in clear", {}],
    ["encrypted", { passphrase }],
  ] as [string, SealingWish][])(
    "%s: has what the first place has, and copies only what is new",
    async (_name, sealing) => {
      const second = await open();
      const make = () => runBackup({ ...server.context, files: folder.files, second, policy, sealing });
      const first = await make();
      const files = (await namesIn(folder.path)).filter((name) => !name.endsWith(".sha256")).length;
      expect(first.second?.copied.files).toBe(files - 1);
      await upload(device, crypto.randomUUID(), newPicture(10_000));
      const next = await make();
      expect(next.second?.pruned.removed).toEqual([first.manifest.id]);
      // All tables, and the one new picture.
      expect(next.second?.copied.files).toBe(next.manifest.tables.length + 1);
      expect(await listSnapshots(second)).toEqual([next.manifest.id]);
      const there = (await Array.fromAsync(second.list(""))).map(({ name }) => name).sort();
      expect(there).toEqual(await namesIn(folder.path));
      const key = sealing.passphrase ? await openPlace(second, { passphrase }) : null;
      const { findings } = await verifySnapshot(second, next.manifest.id, { key });
      expect(findings).toEqual([]);
      await second.close();
    },
  );

  test("a bucket that refuses: the backup is there all the same, and 73", async () => {
    const refused = await server.run(["backup"], environment({ BACKUP_S3_SECRET_KEY: "wrong" }));
    expect([refused.code, refused.err]).toEqual([
      73,
      expect.stringContaining("The backup is there, but not its second copy.\ntrailglass: S3 backups: "),
    ]);
    const ids = await listSnapshots(folder.files);
    expect(ids).toHaveLength(1);
    expect((await verifySnapshot(folder.files, ids[0] ?? "")).findings).toEqual([]);
    const nowhere = await server.run(
      ["backup", "list", "--s3"],
      environment({ BACKUP_S3_BUCKET: "no-such" }),
    );
    expect([nowhere.code, nowhere.err]).toEqual([73, expect.stringContaining("does not exist")]);
  });

  test("a server that is away: 69", async () => {
    const away = await server.run(
      ["backup", "--json"],
      environment({ BACKUP_S3_ENDPOINT: "http://127.0.0.1:1" }),
    );
    expect([away.code, away.err]).toEqual([69, expect.stringContaining("cannot be reached")]);
    expect(JSON.parse(away.out)).toMatchObject({ secondCopy: null, secondFailure: expect.any(String) });
    expect(await listSnapshots(folder.files)).toHaveLength(1);
  });

  test("a file that is damaged in the first place is not passed on", async () => {
    const second = await open();
    const make = () => runBackup({ ...server.context, files: folder.files, second, policy, sealing: {} });
    await runBackup({ ...server.context, files: folder.files, second: null, policy, sealing: {} });
    const object = (await namesIn(folder.path)).find((name) => name.startsWith("objects/")) ?? "";
    await flip(join(folder.path, object));
    const { secondFailure } = await make();
    expect(secondFailure).toMatchObject({ problem: "damaged" });
    expect(await listSnapshots(second)).toEqual([]);
    await rm(join(folder.path, object));
    expect((await make()).secondFailure).toBeNull();
    await second.close();
  });

  test("that is encrypted otherwise is not mixed with this one", async () => {
    const second = await open();
    const parts = { ...server.context, second, policy };
    await runBackup({ ...parts, files: folder.files, sealing: {} });
    const other = await newFolder();
    const { secondFailure } = await runBackup({ ...parts, files: other.files, sealing: { passphrase } });
    expect(secondFailure).toMatchObject({ problem: "sealed" });
    await other.remove();
    await second.close();
  });

  test("is listed, verified, mended and pruned like the first", async () => {
    expect((await server.run(["backup"], environment())).code).toBe(0);
    const second = await open();
    const [object] = await Array.fromAsync(second.list("objects/"));
    await second.write(object?.name ?? "", new Blob([new Uint8Array(object?.size ?? 0)]).stream());
    const found = await server.run(["backup", "verify", "--s3", "--repair"], environment());
    expect([found.code, found.out]).toEqual([1, expect.stringContaining(`damaged   ${object?.name}`)]);
    expect((await server.run(["backup"], environment())).code).toBe(0);
    expect((await server.run(["backup", "verify", "--s3"], environment())).code).toBe(0);
    expect((await server.run(["backup", "list", "--s3"], environment())).out).toContain("verified");
    const pruned = await server.run(["backup", "prune", "--s3", "--json"], environment());
    expect(JSON.parse(pruned.out)).toMatchObject({ removed: [], unreadable: [] });
    await second.close();
  });
});
