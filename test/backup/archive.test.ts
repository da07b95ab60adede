import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { readFile, truncate } from "node:fs/promises";
import { join } from "node:path";
import { openArchive } from "../../src/backup/archive-reader.ts";
import { ArchiveWriter } from "../../src/backup/archive-writer.ts";
import { createArchive } from "../../src/backup/create-archive.ts";
import { streamOf } from "../../src/backup/files.ts";
import { chooseSnapshot, readManifest } from "../../src/backup/manifest.ts";
import { openTable } from "../../src/backup/read-snapshot.ts";
import { openPlace, type SealingWish } from "../../src/backup/sealing.ts";
import { verifySnapshot } from "../../src/backup/verify.ts";
import {
  keyOf,
  newPicture,
  type PictureServer,
  startPictureServer,
  upload,
} from "../storage/picture-server.ts";
import { brokenStreamOf, someBytes } from "../support/bytes.ts";
import { type Device, newDevice } from "../support/sync-client.ts";
import { type BackupFolder, canary, flip, namesIn, newFolder, writeJournal } from "./journal.ts";

let server: PictureServer;
let device: Device;
let folder: BackupFolder;
let path: string;

beforeAll(async () => {
  server = await startPictureServer("directory");
  device = await newDevice(server);
  await writeJournal(device);
  const picture = newPicture(300_000);
  await upload(device, crypto.randomUUID(), picture);
  await upload(await newDevice(server), crypto.randomUUID(), picture);
});
afterAll(() => server.stop());
beforeEach(async () => {
  folder = await newFolder();
  path = join(folder.path, "carry.zip");
});
afterEach(() => folder.remove());

const make = (sealing: SealingWish = {}, force = false, signal = new AbortController().signal) =>
  createArchive({ ...server.context, sealing, env: "JWT_SECRET=x\n", signal }, { path, force });

async function findings(key: string | null = null) {
  const archive = await openArchive(path);
  try {
    const report = await verifySnapshot(archive, await chooseSnapshot(archive, undefined), { key });
    return report.findings.map(({ kind, name }) => `${kind} ${name}`);
  } finally {
    await archive.close();
  }
}

describe("an archive", () => {
  test("holds all of a backup, for whoever has a program for zip files", async () => {
    const manifest = await make();
    expect(await namesIn(folder.path)).toEqual(["carry.zip"]);
    expect(await findings()).toEqual([]);
    const archive = await openArchive(path);
    const entry = manifest.tables.find(({ name }) => name === "trips");
    const rows = entry && (await openTable(archive, await readManifest(archive, manifest.id), entry, null));
    expect(await new Response(rows).text()).toContain(canary);
    await archive.close();
    const unzip = Bun.which("unzip");
    if (!unzip) return;
    const { stdout, exitCode } = Bun.spawnSync([unzip, "-t", path]);
    expect([exitCode, stdout.toString().includes("No errors detected")]).toEqual([0, true]);
  });

  test("is encrypted like any backup, with its key inside", async () => {
    const passphrase = "a passphrase of several words";
    await make({ passphrase });
    expect(await readFile(path, "latin1")).not.toContain(canary);
    const archive = await openArchive(path);
    const key = await openPlace(archive, { passphrase });
    await archive.close();
    expect(await findings(key)).toEqual([]);
  });

  test("does not take another file's place unasked", async () => {
    await Bun.write(path, "precious");
    await expect(make()).rejects.toMatchObject({ problem: "refused" });
    expect(await Bun.file(path).text()).toBe("precious");
    await make({}, true);
    expect(await findings()).toEqual([]);
    expect(await namesIn(folder.path)).toEqual(["carry.zip"]);
  });

  test("that is damaged says where, and one that is cut off cannot be opened", async () => {
    const { objects } = await make();
    const bytes = await readFile(path);
    const name = objects[0]?.sha256 ?? "";
    await flip(path, bytes.indexOf(name) + 5_000);
    expect(await findings()).toEqual([`damaged objects/${name.slice(0, 2)}/${name}`]);
    await truncate(path, bytes.byteLength - 30);
    await expect(openArchive(path)).rejects.toMatchObject({ problem: "damaged" });
    await Bun.write(path, "no zip at all");
    await expect(openArchive(path)).rejects.toMatchObject({ problem: "damaged" });
  });

  test("one that is broken off leaves nothing", async () => {
    const controller = new AbortController();
    const stop = new Error("enough");
    const begin = (step: string) => step === "Copying pictures" && controller.abort(stop);
    const making = createArchive(
      { ...server.context, sealing: {}, progress: { begin, advance() {} }, signal: controller.signal },
      { path, force: false },
    );
    await expect(making).rejects.toBe(stop);
    expect(await namesIn(folder.path)).toEqual([]);
  });

  test("lacks a picture that is damaged where it lies, and has the others", async () => {
    const own = await newDevice(server);
    const id = crypto.randomUUID();
    await upload(own, id, newPicture(100_000));
    const key = (await keyOf(own, id)) ?? "";
    const size = (await server.context.storage.stat(key))?.size ?? 0;
    const bytes = new Blob([new Uint8Array(size)]).stream();
    await server.context.storage.put(key, bytes, { mediaType: "image/png" });
    const manifest = await make();
    expect(manifest.missing).toEqual([{ key, reason: "damaged" }]);
    expect(await findings()).toEqual([]);
  });

  test("has a writer that keeps nothing of what did not come whole", async () => {
    const writer = await ArchiveWriter.begin(path);
    await expect(writer.write("broken", brokenStreamOf(someBytes(400_000)))).rejects.toThrow();
    await writer.write("whole", streamOf("x"));
    await expect(ArchiveWriter.begin(path)).rejects.toMatchObject({ problem: "busy" });
    await writer.seal();
    await writer.publish();
    await writer.close();
    const archive = await openArchive(path);
    const names = (await Array.fromAsync(archive.list(""))).map(({ name }) => name);
    await archive.close();
    expect(names).toEqual(["whole"]);
  });
});
