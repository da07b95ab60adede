import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { readFile, rm, truncate } from "node:fs/promises";
import { join } from "node:path";
import { LocalFiles } from "../../src/backup/local-files.ts";
import { folderOf, type Manifest, readManifest } from "../../src/backup/manifest.ts";
import { openTable } from "../../src/backup/read-snapshot.ts";
import { openPlace, type SealingWish } from "../../src/backup/sealing.ts";
import { readBackupStatus, writeProof } from "../../src/backup/status.ts";
import { removeDamaged, verifyAll, verifySnapshot } from "../../src/backup/verify.ts";
import { newPicture, type PictureServer, startPictureServer, upload } from "../storage/picture-server.ts";
import { newDevice } from "../support/sync-client.ts";
import { type BackupFolder, backUp, flip, namesIn, newFolder, writeJournal } from "./journal.ts";

let server: PictureServer;
beforeAll(async () => {
  server = await startPictureServer("directory");
  const device = await newDevice(server);
  await writeJournal(device);
  await upload(device, crypto.randomUUID(), newPicture(50_000));
});
afterAll(() => server.stop());

let folder: BackupFolder;
afterEach(() => folder.remove());

const wishes: [string, SealingWish][] = [
  ["in clear", {}],
  ["encrypted", { passphrase: "a passphrase of several words" }],
];

describe.each(wishes)("%s", (_name, wish) => {
  let manifest: Manifest;
  let key: string | null;
  async function make() {
    folder = await newFolder();
    manifest = await backUp(server, folder.files, wish);
    key = wish.passphrase ? await openPlace(folder.files, { passphrase: wish.passphrase }) : null;
  }
  const look = async (options: { key?: string | null } = { key }) =>
    (await verifySnapshot(folder.files, manifest.id, options)).findings.map(({ kind, name }) => [kind, name]);

  test("a bit that turned over is found in every file, with the key and without", async () => {
    await make();
    const names = await namesIn(folder.path);
    expect(names.length).toBeGreaterThan(20);
    for (const name of names) {
      const path = join(folder.path, name);
      const before = new Uint8Array(await readFile(path));
      // The sixth byte of a compressed table says how much memory it takes: what is in it stays the same.
      for (const offset of [0, 5, undefined, before.byteLength - 1]) {
        await flip(path, offset);
        // Either of the two: the manifest is not what its checksum says.
        const said = name.replace(/\.sha256$/, "");
        for (const options of [{ key }, {}])
          expect([name, offset, await look(options)]).toEqual([name, offset, [["damaged", said]]]);
        await Bun.write(path, before);
      }
    }
    expect(await look()).toEqual([]);
  });

  test("files that are cut off, longer or gone are found", async () => {
    await make();
    const names = await namesIn(folder.path);
    const tables = names.filter((name) => /tables\/(trips|users|devices)\./.test(name));
    const [devices = "", trips = "", users = ""] = tables;
    const object = names.find((name) => name.startsWith("objects/")) ?? "";
    await truncate(join(folder.path, trips), 40);
    await truncate(join(folder.path, devices), 0);
    await Bun.write(
      join(folder.path, users),
      Buffer.concat([await readFile(join(folder.path, users)), Buffer.from([0])]),
    );
    await rm(join(folder.path, object));
    const found = [
      ["missing", object],
      ["damaged", devices],
      ["damaged", trips],
      ["damaged", users],
    ];
    expect(await look()).toEqual(found);
    expect(await look({})).toEqual(found);
  });

  test("a table that is damaged fails before its last rows", async () => {
    await make();
    const entry = manifest.tables.find(({ name }) => name === "location_samples");
    if (!entry) throw new Error("no points");
    const name = (await namesIn(folder.path)).find((found) => found.includes("location_samples")) ?? "";
    // Behind the head, which says whose key opens it.
    await flip(join(folder.path, name), key === null ? undefined : entry.file.size - 20);
    const read = async () => {
      let size = 0;
      const rows = await openTable(folder.files, manifest, entry, key);
      for await (const piece of rows) size += piece.byteLength;
      return size;
    };
    await expect(read()).rejects.toMatchObject({ problem: "damaged" });
  });

  test("a damaged picture is removed on demand, and copied anew by the next backup", async () => {
    await make();
    const object = (await namesIn(folder.path)).find((name) => name.startsWith("objects/")) ?? "";
    await flip(join(folder.path, object));
    const { findings } = await verifySnapshot(folder.files, manifest.id, { key });
    expect(await removeDamaged(folder.files, findings)).toEqual([object]);
    const next = await backUp(server, folder.files, wish);
    for (const id of [manifest.id, next.id])
      expect((await verifySnapshot(folder.files, id, { key })).findings).toEqual([]);
  });
});

describe("several backups", () => {
  test("share their pictures, and each is read once", async () => {
    folder = await newFolder();
    const manifests = [await backUp(server, folder.files), await backUp(server, folder.files)];
    const read: string[] = [];
    class Counting extends LocalFiles {
      override read(name: string) {
        read.push(name);
        return super.read(name);
      }
    }
    const reports = await verifyAll(new Counting(folder.path));
    expect(reports.map(({ id }) => id)).toEqual(manifests.map(({ id }) => id).reverse());
    expect(reports.flatMap(({ findings }) => findings)).toEqual([]);
    const objects = read.filter((name) => name.startsWith("objects/"));
    expect(objects).toEqual([...new Set(objects)]);
    expect(objects.length).toBeGreaterThan(0);
  });

  test("tell when one was verified and proven", async () => {
    folder = await newFolder();
    const { id } = await backUp(server, folder.files);
    expect(await readBackupStatus(folder.path)).toMatchObject({ lastVerified: null, lastProven: null });
    await writeProof(folder.files, id, "proven");
    await backUp(server, folder.files);
    const { lastVerified, lastProven, count } = await readBackupStatus(folder.path);
    expect({ lastVerified, count }).toEqual({ lastVerified: null, count: 2 });
    expect(Date.now() - (lastProven?.getTime() ?? 0)).toBeLessThan(60_000);
  });

  test("one of a newer program is left to that", async () => {
    folder = await newFolder();
    const { id } = await backUp(server, folder.files);
    const path = join(folder.path, folderOf(id), "manifest.json");
    const text = (await readFile(path, "utf8")).replace('"format": 1', '"format": 2');
    await Bun.write(path, text);
    const sum = new Bun.CryptoHasher("sha256").update(text).digest("hex");
    await Bun.write(`${path}.sha256`, `${sum}  manifest.json\n`);
    await expect(readManifest(folder.files, id)).rejects.toMatchObject({ problem: "refused" });
    await expect(verifySnapshot(folder.files, id)).rejects.toMatchObject({ problem: "refused" });
  });
});
