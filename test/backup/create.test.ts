import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { sql } from "drizzle-orm";
import { createBackup } from "../../src/backup/create.ts";
import { isComplete, type Manifest } from "../../src/backup/manifest.ts";
import { openObject } from "../../src/backup/read-snapshot.ts";
import { leftOut, tables } from "../../src/backup/tables.ts";
import { verifySnapshot } from "../../src/backup/verify.ts";
import { fingerprintOf } from "../../src/storage/fingerprint.ts";
import { register } from "../accounts/people.ts";
import {
  keyOf,
  newPicture,
  type PictureServer,
  setAvatar,
  startPictureServer,
  upload,
} from "../storage/picture-server.ts";
import { backends, hasS3Server } from "../support/storages.ts";
import { Device, newDevice } from "../support/sync-client.ts";
import { photo, trip, visit } from "../support/sync-entities.ts";
import { type BackupFolder, backUp, namesIn, newFolder, rowsOf, writeJournal } from "./journal.ts";

let server: PictureServer;
let folder: BackupFolder;
let device: Device;

beforeEach(async () => {
  folder = await newFolder();
});
afterEach(() => folder.remove());

const keysOf = ({ objects }: Manifest) => objects.map(({ key }) => key).sort();
const whole = async (id: string) => (await verifySnapshot(folder.files, id)).findings;
const erase = (person: Device) => person.rows(sql`DELETE FROM users WHERE id = ${person.person.userId}`);
const objectNames = async () => (await namesIn(folder.path)).filter((name) => name.startsWith("objects/"));

describe.each(backends.filter((backend) => backend !== "s3" || hasS3Server()))(
  "pictures in %s",
  (backend) => {
    beforeAll(async () => {
      server = await startPictureServer(backend);
      device = await newDevice(server);
      await writeJournal(device);
    });
    afterAll(() => server.stop());

    test("all of the database and every picture are in it, and what was written is what was there", async () => {
      const id = crypto.randomUUID();
      const picture = newPicture(300_000);
      await upload(device, id, picture);
      const avatar = await setAvatar(device);
      const manifest = await backUp(server, folder.files);
      expect(manifest.tables.map(({ name }) => name)).toEqual(tables.map(({ name }) => name));
      for (const { name, rows } of manifest.tables.filter(({ name }) => name !== "stored_objects")) {
        const [row] = await device.rows<{ count: number }>(
          sql`SELECT count(*)::int AS count FROM ${sql.identifier(name)}`,
        );
        expect({ name, rows }).toEqual({ name, rows: row?.count ?? -1 });
      }
      expect(manifest.counters).toEqual({ [device.person.userId]: await device.counter() });
      const key = (await keyOf(device, id)) ?? "";
      expect(keysOf(manifest)).toEqual([avatar, key].sort());
      expect(isComplete(manifest)).toBe(true);
      const entry = manifest.objects.find((object) => object.key === key);
      const stream = entry && (await openObject(folder.files, manifest, entry, null));
      expect(await new Response(stream).bytes()).toEqual(picture);
      const notes = (await rowsOf(folder.files, manifest, "trips")).map((row) => row.notes);
      expect(notes).toContain("Line one\\nline two, a tab\\tand \\\\N canary-9f31c2");
      expect(await whole(manifest.id)).toEqual([]);
    });

    test("the next one copies only what is new", async () => {
      await upload(device, crypto.randomUUID(), newPicture(5_000));
      await backUp(server, folder.files);
      const before = await objectNames();
      const stamp = async (name: string) => Bun.file(join(folder.path, name)).lastModified;
      const times = await Promise.all(before.map(stamp));
      const added = newPicture(7_000);
      await upload(device, crypto.randomUUID(), added);
      const second = await backUp(server, folder.files);
      const after = await objectNames();
      expect(after.length).toBe(before.length + 1);
      expect(await Promise.all(before.map(stamp))).toEqual(times);
      expect(after.filter((name) => !before.includes(name)).map((name) => name.slice(11))).toEqual([
        new Bun.CryptoHasher("sha256").update(added).digest("hex"),
      ]);
      expect(await whole(second.id)).toEqual([]);
    });

    test("what is missing or damaged is said, and everything else is in it", async () => {
      const own = await newDevice(server);
      const [gone, bad, good] = [crypto.randomUUID(), crypto.randomUUID(), crypto.randomUUID()];
      for (const id of [gone, bad, good]) await upload(own, id, newPicture(200_000));
      const [goneKey, badKey, goodKey] = await Promise.all([gone, bad, good].map((id) => keyOf(own, id)));
      const { storage } = server.context;
      await storage.delete(goneKey ?? "");
      const size = (await storage.stat(badKey ?? ""))?.size ?? 0;
      await storage.put(badKey ?? "", new Blob([new Uint8Array(size)]).stream(), { mediaType: "image/png" });
      const manifest = await backUp(server, folder.files);
      expect(manifest.missing.toSorted((one) => (one.reason === "missing" ? -1 : 1))).toEqual([
        { key: goneKey ?? "", reason: "missing" },
        { key: badKey ?? "", reason: "damaged" },
      ]);
      expect(isComplete(manifest)).toBe(false);
      expect(keysOf(manifest)).toContain(goodKey ?? "");
      expect(await whole(manifest.id)).toEqual([]);
      expect((await namesIn(folder.path)).filter((name) => name.endsWith(".partial"))).toEqual([]);
      await erase(own);
    });
  },
);

describe("whatever happens meanwhile", () => {
  beforeAll(async () => {
    server = await startPictureServer("directory");
    device = await newDevice(server);
    await writeJournal(device);
  });
  afterAll(() => server.stop());

  test("no table of the schema is forgotten", async () => {
    const rows = await device.rows<{ name: string }>(
      sql`SELECT relname AS name FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace`,
    );
    const known = [...tables.map(({ name }) => name), ...leftOut].sort();
    expect(rows.map(({ name }) => name).sort()).toEqual(known);
  });

  test("all tables show one instant", async () => {
    // A trip comes with its visit, in one delta: neither may be in the backup without the other.
    let writing = true;
    let deltas = 0;
    const write = async (writer: Device) => {
      for (; writing; deltas++) {
        const place = crypto.randomUUID();
        const trips = [trip(crypto.randomUUID(), { placeVisits: [place] })];
        await writer.sync({ placeVisits: [visit(place)], trips, photos: [photo(crypto.randomUUID())] });
      }
    };
    const writers = [device, await newDevice(server), await newDevice(server)].map(write);
    const manifests: Manifest[] = [];
    try {
      while (deltas < 10) await Bun.sleep(5);
      const from = deltas;
      while (manifests.length < 3 || deltas < from + 30) manifests.push(await backUp(server, folder.files));
    } finally {
      writing = false;
      await Promise.all(writers);
    }
    for (const manifest of manifests.slice(0, 3)) {
      const [trips, places, photos] = await Promise.all(
        ["trips", "place_visits", "photos"].map((name) => rowsOf(folder.files, manifest, name)),
      );
      // The journal's own trip and visit belong together as well.
      expect([places?.length, (photos?.length ?? 0) + 1]).toEqual([trips?.length, trips?.length]);
      const highest = new Map<string, number>();
      for (const row of [...(trips ?? []), ...(places ?? []), ...(photos ?? [])])
        highest.set(
          row.user_id ?? "",
          Math.max(highest.get(row.user_id ?? "") ?? 0, Number(row.server_version)),
        );
      for (const [user, version] of highest) expect(manifest.counters[user]).toBeGreaterThanOrEqual(version);
      expect(await whole(manifest.id)).toEqual([]);
    }
  });

  test("a picture deleted while the backup is made is still in it", async () => {
    const id = crypto.randomUUID();
    await upload(device, id, newPicture(100_000));
    const key = (await keyOf(device, id)) ?? "";
    const manifest = await createBackup({
      ...server.context,
      files: folder.files,
      sealing: {},
      progress: {
        begin: onStep("Copying pictures", () => device.call("DELETE", `/photos/${id}`)),
        advance() {},
      },
    });
    await ended;
    expect(keysOf(manifest)).toContain(key);
    expect(isComplete(manifest)).toBe(true);
  });

  test("an account erased while the backup is made leaves it complete", async () => {
    const other = new Device(server, await register(server));
    const id = crypto.randomUUID();
    await upload(other, id, newPicture(100_000));
    const theirs = await keyOf(other, id);
    const { storage } = server.context;
    const late = {
      ...methodsOf(storage),
      async get(key: string) {
        if (key !== theirs) return storage.get(key);
        await erase(other);
        await storage.delete(key);
        return null;
      },
    };
    const manifest = await createBackup({
      ...server.context,
      storage: late,
      files: folder.files,
      sealing: {},
    });
    expect(manifest.missing).toEqual([{ key: theirs ?? "", reason: "erased" }]);
    expect(isComplete(manifest)).toBe(true);
  });

  test("the same picture of two people is written once", async () => {
    const picture = newPicture(2_000_000);
    const people = [await newDevice(server), await newDevice(server)];
    for (const person of people) await upload(person, crypto.randomUUID(), picture);
    const manifest = await backUp(server, folder.files);
    const { sha256 } = await fingerprintOf(new Blob([picture]).stream());
    expect(manifest.objects.filter((object) => object.sha256 === sha256)).toHaveLength(2);
    expect((await objectNames()).filter((name) => name.endsWith(sha256))).toHaveLength(1);
    expect(await whole(manifest.id)).toEqual([]);
  });

  test("its manifest can be checked by hand", async () => {
    const { id } = await backUp(server, folder.files);
    const place = join(folder.path, "snapshots", id);
    const sums = await readFile(join(place, "manifest.json.sha256"), "utf8");
    const { stdout } = Bun.spawnSync(["sha256sum", "-c", "manifest.json.sha256"], { cwd: place });
    expect(sums).toContain("manifest.json");
    expect(stdout.toString()).toContain("OK");
  });
});

let ended: Promise<unknown> = Promise.resolve();
const onStep = (wanted: string, then: () => Promise<unknown>) => (step: string) => {
  if (step === wanted) ended = then();
};

/** A storage's methods, so that one of them can be another. */
function methodsOf(storage: PictureServer["context"]["storage"]): PictureServer["context"]["storage"] {
  return {
    backend: storage.backend,
    put: (...given) => storage.put(...given),
    putFile: (...given) => storage.putFile(...given),
    get: (...given) => storage.get(...given),
    stat: (...given) => storage.stat(...given),
    delete: (...given) => storage.delete(...given),
    list: (...given) => storage.list(...given),
    signedUrl: (...given) => storage.signedUrl(...given),
    probe: () => storage.probe(),
    sweepFragments: () => storage.sweepFragments(),
    close: () => storage.close(),
  };
}
