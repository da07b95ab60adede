import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "drizzle-orm";
import { expireExports } from "../../src/exports/export-rows.ts";
import { repairStorage } from "../../src/photos/storage-repair.ts";
import { checkStorage } from "../../src/storage/check.ts";
import { goodPassword } from "../accounts/people.ts";
import { writeJournal } from "../backup/journal.ts";
import {
  keyOf,
  newPicture,
  type PictureServer,
  startPictureServer,
  upload,
} from "../storage/picture-server.ts";
import { type Backend, backends, hasS3Server, needsS3Server } from "../support/storages.ts";
import { type Device, type Json, newDevice } from "../support/sync-client.ts";
import { photo } from "../support/sync-entities.ts";
import {
  type Files,
  linkAt,
  readJson,
  requestExport,
  statusOf,
  storedExports,
  unzip,
  waitingKeys,
} from "./archives.ts";

const sha256Of = (bytes: Uint8Array) => new Bun.CryptoHasher("sha256").update(bytes).digest("hex");

/** Asks for an export, has it made, and gets it. */
async function download(
  server: PictureServer,
  device: Device,
  body: Json = {},
): Promise<{ status: Json; bytes: Uint8Array; files: Files }> {
  const { exportId } = await requestExport(device, body);
  await server.context.worker.runDue();
  const status = await statusOf(device, exportId);
  expect(status.status).toBe("COMPLETED");
  const bytes = await (await fetch(linkAt(server, status.downloadUrl))).bytes();
  return { status, bytes, files: await unzip(bytes) };
}

/** What other programs think of a zip file. */
async function foreignOpinions(bytes: Uint8Array): Promise<number[]> {
  const folder = await mkdtemp(join(tmpdir(), "tg-zip-"));
  const path = join(folder, "export.zip");
  await Bun.write(path, bytes);
  const commands = [
    ["unzip", "-tqq", path],
    ["python3", "-m", "zipfile", "-t", path],
  ].filter(([name = ""]) => Bun.which(name));
  const codes = commands.map((command) => Bun.spawnSync(command).exitCode);
  await rm(folder, { recursive: true });
  return codes;
}

const wanted = needsS3Server() || hasS3Server() ? backends : backends.filter((name) => name !== "s3");

describe.each(wanted.map((name) => [name] as [Backend]))("an export in %s", (backend) => {
  let server: PictureServer;
  let device: Device;
  beforeAll(async () => {
    server = await startPictureServer(backend);
    device = await newDevice(server);
    await writeJournal(device);
    for (const [id, size] of [
      ["photo_small", 10],
      ["photo_large", 3_000_000],
    ] as const)
      await upload(device, id, newPicture(size));
  });
  afterAll(() => server.stop());

  test("is made, whole, and what it says it is; other programs read it", async () => {
    const { status, bytes, files } = await download(server, device);
    expect([status.fileSize, status.sha256]).toEqual([bytes.byteLength, sha256Of(bytes)]);
    expect(await foreignOpinions(bytes)).not.toContain(1);
    for (const { file } of readJson(files, "photos.json"))
      expect(sha256Of(files.get(file.path) ?? Buffer.alloc(0))).toBe(file.sha256);
    const days = (Date.parse(status.expiresAt) - Date.now()) / 86_400_000;
    expect(days).toBeGreaterThan(6.9);
    expect(days).toBeLessThanOrEqual(7.01);
    expect(await waitingKeys(server)).toEqual([]);
  });

  test("is got in parts, looked at, and always from this server", async () => {
    const { status, bytes } = await download(server, device, { format: "CSV" });
    const url = linkAt(server, status.downloadUrl);
    expect(new URL(status.downloadUrl).origin).toBe(new URL(server.url).origin);
    const head = await fetch(url, { method: "HEAD" });
    expect([head.status, head.headers.get("content-length")]).toEqual([200, String(bytes.byteLength)]);
    expect(head.headers.get("content-type")).toBe("application/zip");
    expect(head.headers.get("cache-control")).toBe("private, no-store");
    expect(head.headers.get("content-disposition")).toMatch(
      /^attachment; filename="trailglass-\d{4}-\d\d-\d\d\.zip"/,
    );
    const part = await fetch(url, { headers: { Range: `bytes=100-${bytes.byteLength - 2}` } });
    expect(part.status).toBe(206);
    expect(Buffer.from(await part.bytes())).toEqual(Buffer.from(bytes.subarray(100, -1)));
    const link = new URL(url);
    link.searchParams.set("name", "other.zip");
    expect((await fetch(link)).status).toBe(403);
  });

  test("that has expired stays COMPLETED; its file goes, and its link", async () => {
    const { status } = await download(server, device, { includePhotos: false });
    const url = linkAt(server, status.downloadUrl);
    const before = await storedExports(server);
    await device.rows(sql`UPDATE exports SET expires_at = now() WHERE id = ${status.exportId}`);
    const expired = { ...status, downloadUrl: null, expiresAt: expect.any(String) };
    expect(await statusOf(device, status.exportId)).toEqual(expired);
    await server.context.work
      .find(({ kind }) => kind === "clear-exports")
      ?.run({
        job: { id: "", kind: "", payload: {}, ownerId: null, attempts: 1 },
        signal: new AbortController().signal,
      });
    expect(await storedExports(server)).toHaveLength(before.length - 1);
    expect(await waitingKeys(server)).toEqual([]);
    expect((await fetch(url)).status).toBe(404);
    expect(await statusOf(device, status.exportId)).toEqual(expired);
    await device.rows(
      sql`UPDATE exports SET requested_at = now() - interval '91 days' WHERE id = ${status.exportId}`,
    );
    await expireExports(server.context.db);
    expect((await device.request("GET", `/export/${status.exportId}/status`)).status).toBe(404);
    expect(await storedExports(server)).toHaveLength(before.length - 1);
  });

  test("whose pictures are missing or damaged is made all the same, and says so", async () => {
    await device.sync({ photos: ["gone", "cut", "changed"].map((id) => photo(id)) });
    const pictures = new Map<string, Uint8Array<ArrayBuffer>>();
    for (const id of ["gone", "cut", "changed"]) {
      pictures.set(id, newPicture(1_500_000));
      await upload(device, id, pictures.get(id));
    }
    const { storage } = server.context;
    const put = async (id: string, bytes: Uint8Array<ArrayBuffer>) =>
      storage.put((await keyOf(device, id)) ?? "", new Blob([bytes]).stream(), { mediaType: "image/png" });
    await storage.delete((await keyOf(device, "gone")) ?? "");
    await put("cut", (pictures.get("cut") ?? newPicture()).slice(0, 700_000));
    await put("changed", newPicture(1_500_000));
    const { files, bytes } = await download(server, device, { startDate: "2000-01-01" });
    const { missing, pictures: whole } = readJson(files, "export.json");
    const pathOf = (id: string) =>
      readJson(files, "photos.json").find((one: Json) => one.id === id).file.path;
    expect(missing.map(({ photoId, problem }: Json) => [photoId, problem]).toSorted()).toEqual([
      ["changed", "damaged"],
      ["cut", "damaged"],
      ["gone", "missing"],
    ]);
    expect(files.has(pathOf("gone"))).toBe(false);
    expect(files.get(pathOf("cut"))?.byteLength).toBe(700_000);
    expect(whole).toHaveLength(4);
    const text = files.get("README.txt")?.toString();
    expect(text).toContain(`${pathOf("gone")} (missing)`);
    expect(text).toContain(`${pathOf("cut")} (damaged)`);
    expect(await foreignOpinions(bytes)).not.toContain(1);
  });

  test("is known to whoever looks through the storage", async () => {
    const parts = {
      db: server.context.db,
      storage: server.context.storage,
      accountQueue: server.context.accountQueue,
    };
    const before = await storedExports(server);
    const report = await checkStorage({ ...parts, now: () => Date.now() + 86_400_000 });
    expect(report.exports).toBe(before.length);
    expect(report.findings.filter(({ key }) => key.startsWith("exports/"))).toEqual([]);
    const [lost = "", changed = ""] = before;
    await parts.storage.delete(lost);
    await parts.storage.put(changed, new Blob(["changed"]).stream(), { mediaType: "application/zip" });
    const found = await checkStorage(parts);
    const ours = found.findings.filter(({ key }) => key.startsWith("exports/"));
    expect(ours.map(({ key, kind, email }) => [key, kind, email]).toSorted()).toEqual(
      [
        [lost, "missing", device.person.email],
        [changed, "altered", device.person.email],
      ].toSorted(),
    );
    await repairStorage(parts, { ...found, findings: ours });
    expect((await checkStorage(parts)).findings.filter(({ key }) => key.startsWith("exports/"))).toEqual([]);
    expect(await storedExports(server)).toHaveLength(before.length - 2);
  });

  test("goes at once with its account, whatever others have", async () => {
    const other = await newDevice(server);
    await other.sync({ photos: [photo("photo_small")] });
    const { status, files } = await download(server, other);
    expect(readJson(files, "photos.json")).toHaveLength(1);
    const before = await storedExports(server);
    expect((await other.request("DELETE", "/user", { password: goodPassword })).status).toBe(204);
    expect(await storedExports(server)).toHaveLength(before.length - 1);
    expect((await fetch(linkAt(server, status.downloadUrl))).status).toBe(404);
    expect(await waitingKeys(server)).toEqual([]);
  });
});
