import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdir, rename, rm, utimes } from "node:fs/promises";
import { join } from "node:path";
import { sql } from "drizzle-orm";
import { repairStorage } from "../../src/photos/storage-repair.ts";
import { checkStorage, type Finding } from "../../src/storage/check.ts";
import { DirectoryStorage } from "../../src/storage/directory-storage.ts";
import { StorageAwayError } from "../../src/storage/inspection.ts";
import { newKey } from "../../src/storage/object-key.ts";
import { register } from "../accounts/people.ts";
import { backends, hasS3Server } from "../support/storages.ts";
import { Device, newDevice } from "../support/sync-client.ts";
import {
  keyOf,
  newPicture,
  type PictureServer,
  sendPicture,
  setAvatar,
  startPictureServer,
  upload,
} from "./picture-server.ts";

const hour = 60 * 60 * 1000;
/** As if whatever lies there had lain there for two hours. */
const later = () => Date.now() + 2 * hour;

let server: PictureServer;
const storage = () => server.context.storage;
const check = (now: () => number = later) => checkStorage({ ...server.context, now });
const told = (findings: readonly Finding[]) => findings.map(({ kind, key }) => `${kind} ${key}`).sort();

async function expectAllWell() {
  await server.context.previews.settle();
  expect((await check()).findings).toEqual([]);
}

async function put(key: string, bytes: Uint8Array<ArrayBuffer>) {
  await storage().put(key, new Blob([bytes]).stream(), { mediaType: "image/png" });
}

/** Puts other bytes in the place of an object; as many, unless told otherwise. */
async function damage(key: string, size?: number) {
  const length = size ?? (await storage().stat(key))?.size ?? 0;
  await put(key, crypto.getRandomValues(new Uint8Array(length)));
}

const pathOf = (key: string) => {
  const [area = "", name = ""] = key.split("/");
  return join(server.config.dataDir, "objects", area, name.slice(0, 2), name.slice(2, 4), name);
};

/** A photo as a device hears of it. */
async function heard(device: Device, id: string) {
  return (await device.sync()).remoteChanges.photos.find((photo: { id: string }) => photo.id === id);
}

describe.each(backends.filter((backend) => backend !== "s3" || hasS3Server()))("%s", (backend) => {
  let phone: Device;
  let other: Device;
  beforeAll(async () => {
    server = await startPictureServer(backend);
  });
  afterAll(() => server.stop());
  beforeEach(async () => {
    phone = await newDevice(server);
    other = await phone.another();
    await upload(phone, "whole");
  });
  afterEach(expectAllWell);

  test("all is well", async () => {
    await setAvatar(phone);
    await phone.call("POST", "/photos", {
      id: "planned",
      timestamp: new Date().toISOString(),
      mimeType: "image/png",
      sizeBytes: 9,
    });
    await server.context.previews.settle();
    const report = await check();
    expect(report).toMatchObject({ young: 0, findings: [] });
    expect(report.originals).toBeGreaterThan(0);
    expect(report.seen).toBeGreaterThanOrEqual(report.originals + report.avatars);
  });

  async function expectLostAndFound(kind: "missing" | "altered", spoil: (key: string) => Promise<void>) {
    const picture = newPicture();
    await upload(phone, "p1", picture);
    await upload(phone, "p2", picture);
    await server.context.previews.settle();
    const key = (await keyOf(phone, "p1")) as string;
    expect((await heard(other, "p1")).url).toContain("http");
    await spoil(key);
    const report = await check();
    expect(report.findings).toEqual([
      {
        kind,
        key,
        email: phone.person.email,
        photoIds: ["p1", "p2"],
        detail: kind === "missing" ? null : expect.any(String),
      },
    ]);
    expect(await repairStorage(server.context, report)).toEqual([]);
    await expectAllWell();
    // Without any edit of theirs, devices hear that the bytes are gone, each of the photos once.
    const answer = await other.sync();
    expect(
      answer.remoteChanges.photos.map(({ id, url }: Record<string, unknown>) => [id, url]).sort(),
    ).toEqual([
      ["p1", null],
      ["p2", null],
    ]);
    expect((await other.sync()).remoteChanges.photos).toEqual([]);
    const [aside] = await phone.rows<{ days: number }>(sql`
      SELECT extract(epoch FROM due_at - now()) / 86400 AS days FROM unreferenced_objects WHERE key = ${key}`);
    expect(Number(aside?.days)).toBeCloseTo(30, 1);
    await upload(phone, "p1", picture);
    const download = await fetch((await heard(other, "p1")).url);
    expect(Buffer.from(await download.arrayBuffer()).equals(Buffer.from(picture))).toBe(true);
    await upload(phone, "p2", picture);
  }

  test("an original that is missing, and comes again", () =>
    expectLostAndFound("missing", (key) => storage().delete(key)));
  test("one whose bytes differ, though it has as many", () =>
    expectLostAndFound("altered", (key) => damage(key)));
  test("one that has lost bytes", () => expectLostAndFound("altered", (key) => damage(key, 7)));
  test("one that has gained bytes", () => expectLostAndFound("altered", (key) => damage(key, 3_000_000)));

  test("a photo that was deleted is not announced anew", async () => {
    const picture = newPicture();
    await upload(phone, "p1", picture);
    await upload(phone, "p2", picture);
    await storage().delete((await keyOf(phone, "p1")) as string);
    await phone.call("DELETE", "/photos/p2");
    await other.sync();
    expect(await repairStorage(server.context, await check())).toEqual([]);
    const { remoteChanges } = await other.sync();
    expect(remoteChanges.photos.map(({ id }: { id: string }) => id)).toEqual(["p1"]);
    expect(remoteChanges.deletedIds.photos).toEqual([]);
  });

  test("an edit that was under way does not come into conflict", async () => {
    await upload(phone, "p1");
    const before = await heard(other, "p1");
    await storage().delete((await keyOf(phone, "p1")) as string);
    await repairStorage(server.context, await check());
    const edit = {
      ...before,
      caption: "seen",
      localVersion: 2,
      lastModified: new Date().toISOString(),
      syncAction: "UPDATE",
    };
    const answer = await other.sync({ photos: [edit] });
    expect([answer.conflicts, answer.accepted.photos]).toEqual([[], ["p1"]]);
  });

  test("a missing avatar is taken away", async () => {
    const key = await setAvatar(phone);
    await storage().delete(key);
    const report = await check();
    expect(report.findings).toEqual([
      { kind: "missing", key, email: phone.person.email, photoIds: [], detail: null },
    ]);
    expect(await repairStorage(server.context, report)).toEqual([]);
    expect((await phone.call("GET", "/user/profile")).profilePhotoUrl).toBeNull();
  });

  test("orphans of every area, once they are an hour old", async () => {
    const keys = [
      newKey("originals"),
      newKey("avatars"),
      newKey("uploads"),
      newKey("probes"),
      `${newKey("thumbnails")}-512`,
    ];
    for (const key of keys) await put(key, newPicture());
    const young = await check(Date.now);
    expect([young.findings, young.young]).toEqual([[], 5]);
    const report = await check();
    expect(told(report.findings)).toEqual(keys.map((key) => `orphaned ${key}`).sort());
    expect(report.findings[0]).toMatchObject({ email: null, photoIds: [] });
    expect(await repairStorage(server.context, report)).toEqual([]);
    for (const key of keys) expect(await storage().stat(key)).toBeNull();
  });

  test("what is no longer true when it is repaired is left alone", async () => {
    await upload(phone, "p1");
    const key = (await keyOf(phone, "p1")) as string;
    const orphan = newKey("originals");
    const bytes = new Uint8Array(await new Response((await storage().get(key))?.body).arrayBuffer());
    await put(orphan, newPicture());
    await damage(key);
    const report = await check();
    expect(report.findings).toHaveLength(2);
    await put(key, bytes);
    await phone.rows(
      sql`INSERT INTO unreferenced_objects (key, due_at) VALUES (${orphan}, now() + interval '1 hour')`,
    );
    const version = await phone.counter();
    expect(await repairStorage(server.context, report)).toEqual([]);
    expect([await keyOf(phone, "p1"), await phone.counter()]).toEqual([key, version]);
    expect(await storage().stat(orphan)).not.toBeNull();
  });

  test("nothing is found while phones upload and accounts are erased", async () => {
    let isOver = false;
    const busy = Array.from({ length: 4 }, async () => {
      for (let i = 0; !isOver; i++) {
        const device = new Device(server, await register(server));
        for (let n = 0; n < 3; n++) await sendPicture(device, `${i}-${n}`, newPicture(100_000));
        await server.context.accounts.delete(device.person.userId);
      }
    });
    const found: string[] = [];
    for (let i = 0; i < 15; i++) found.push(...told((await check()).findings));
    isOver = true;
    await Promise.all(busy);
    await server.context.previews.settle();
    // One that is made of an original which goes meanwhile really is an orphan, until a repair.
    expect(found.filter((finding) => !finding.includes("thumbnails/"))).toEqual([]);
    expect(await repairStorage(server.context, await check())).toEqual([]);
  });
});

describe("directory", () => {
  let phone: Device;
  beforeEach(async () => {
    server = await startPictureServer("directory");
    phone = await newDevice(server);
    await upload(phone, "whole");
    await server.context.previews.settle();
  });
  afterEach(() => server.stop());

  test("what cannot be read is told, and not repaired", async () => {
    await upload(phone, "p1");
    const key = (await keyOf(phone, "p1")) as string;
    await rm(pathOf(key));
    await mkdir(pathOf(key));
    const report = await check();
    expect(told(report.findings)).toEqual([`unreadable ${key}`]);
    expect(await repairStorage(server.context, report)).toEqual([...report.findings]);
    expect(await keyOf(phone, "p1")).toBe(key);
  });

  test("a storage that is away: nothing is changed", async () => {
    await damage((await keyOf(phone, "whole")) as string);
    const objects = join(server.config.dataDir, "objects");
    await rename(objects, `${objects}.away`);
    await Bun.write(objects, "");
    await expect(check()).rejects.toThrow(StorageAwayError);
    const { code, out, err } = await server.run(["storage", "check", "--repair"]);
    expect([code, out]).toEqual([69, ""]);
    expect(err).toStartWith(`trailglass: the folder ${objects} cannot be used`);
    expect(await keyOf(phone, "whole")).toBeString();
  });

  test("one that does not answer at all", async () => {
    const { code, out, err } = await server.run(["storage", "check", "--repair"], {
      STORAGE_BACKEND: "s3",
      STORAGE_ACCESS_KEY: "key",
      STORAGE_SECRET_KEY: "s3cret",
      STORAGE_ENDPOINT: "http://127.0.0.1:1",
    });
    expect([code, out]).toEqual([69, ""]);
    expect(err).toStartWith("trailglass: S3 storage: http://127.0.0.1:1 cannot be reached");
    expect(await keyOf(phone, "whole")).toBeString();
  });

  test("a storage that has nothing of what the books have: nothing is changed without --force", async () => {
    const objects = join(server.config.dataDir, "objects");
    await rename(objects, `${objects}.away`);
    const refused = await server.run(["storage", "check", "--repair"]);
    expect([refused.code, refused.out]).toEqual([1, ""]);
    expect(refused.err).toContain("STORAGE_BACKEND");
    expect(refused.err).toContain("--force");
    expect(await keyOf(phone, "whole")).toBeString();
    expect((await server.run(["storage", "check", "--repair", "--force"])).code).toBe(0);
    expect(await keyOf(phone, "whole")).toBeUndefined();
  });

  test("books that have nothing of what the storage has: nothing is changed without --force", async () => {
    const key = (await keyOf(phone, "whole")) as string;
    await phone.rows(sql`TRUNCATE users CASCADE`);
    await utimes(pathOf(key), 1, 1);
    expect((await server.run(["storage", "check", "--repair"])).code).toBe(1);
    expect(await storage().stat(key)).not.toBeNull();
  });

  test("what goes while it is looked at is not missing", async () => {
    await setAvatar(phone);
    let isErased = false;
    class Vanishing extends DirectoryStorage {
      override async get(key: string) {
        if (!isErased) await server.context.accounts.delete(phone.person.userId);
        isErased = true;
        return super.get(key);
      }
    }
    const vanishing = new Vanishing(join(server.config.dataDir, "objects"));
    const { findings } = await checkStorage({ db: server.context.db, storage: vanishing, now: later });
    expect([isErased, findings]).toEqual([true, []]);
  });

  test("an avatar that is there after all", async () => {
    const key = await setAvatar(phone);
    await rename(pathOf(key), `${pathOf(key)}.away`);
    const report = await check();
    expect(told(report.findings)).toEqual([`missing ${key}`]);
    await rename(`${pathOf(key)}.away`, pathOf(key));
    expect(await repairStorage(server.context, report)).toEqual([]);
    expect((await phone.call("GET", "/user/profile")).profilePhotoUrl).toContain(key);
  });

  test("a volume that goes between check and repair", async () => {
    await upload(phone, "p1");
    const avatar = await setAvatar(phone);
    await storage().delete((await keyOf(phone, "p1")) as string);
    await storage().delete(avatar);
    const report = await check();
    expect(report.findings).toHaveLength(2);
    const objects = join(server.config.dataDir, "objects");
    await rename(objects, `${objects}.away`);
    for (const finding of report.findings) {
      const one = { ...report, findings: [finding] };
      await expect(repairStorage(server.context, one)).rejects.toThrow(StorageAwayError);
    }
    expect(await keyOf(phone, "p1")).toBeString();
    expect((await phone.call("GET", "/user/profile")).profilePhotoUrl).toContain(avatar);
  });

  test("the command tells, repairs, and is content", async () => {
    await upload(phone, "p1");
    await upload(phone, "p2");
    await server.context.previews.settle();
    const [missing, altered] = [(await keyOf(phone, "p1")) as string, (await keyOf(phone, "p2")) as string];
    const orphan = newKey("uploads");
    await put(orphan, newPicture());
    await utimes(pathOf(orphan), 1, 1);
    const well = await server.run(["storage", "check", "--json"]);
    expect(JSON.parse(well.out).findings).toHaveLength(1);
    await storage().delete(missing);
    await damage(altered);
    const { code, out, err } = await server.run(["storage", "check"]);
    const { email } = phone.person;
    expect(out).toContain(`missing     ${missing}  ${email}  photo p1\n`);
    expect(out).toContain(`altered     ${altered}  ${email}  photo p2  (other bytes than were stored)\n`);
    expect(out).toContain(`orphaned    ${orphan}\n`);
    expect(out).toContain("Compared 3 originals");
    expect([code, err]).toEqual([
      1,
      'trailglass: 3 problems left. "trailglass storage check --repair" repairs what it can.\n',
    ]);
    expect(out).not.toMatch(/[^\n\x20-\x7e]/);
    const repaired = await server.run(["storage", "check", "--repair", "--json"]);
    expect([repaired.code, repaired.err]).toEqual([0, ""]);
    expect(JSON.parse(repaired.out)).toMatchObject({
      backend: "directory",
      originals: 3,
      findings: [
        { kind: "altered", key: altered, repaired: true },
        { kind: "missing", key: missing, email, photoIds: ["p1"], repaired: true },
        { kind: "orphaned", key: orphan, repaired: true },
      ],
    });
    const content = await server.run(["storage", "check"]);
    expect([content.code, content.err]).toEqual([0, ""]);
    expect(content.out).toContain("All is well.\n");
    expect(content.out).toContain("Compared 1 original ");
  });
});

describe("database", () => {
  test("a chunk that was lost is an altered original", async () => {
    server = await startPictureServer("database");
    try {
      const phone = await newDevice(server);
      await upload(phone, "whole");
      await upload(phone, "p1", newPicture(2_000_000));
      const key = (await keyOf(phone, "p1")) as string;
      await phone.rows(sql`DELETE FROM stored_chunks WHERE key = ${key} AND position = 1`);
      const report = await check();
      expect(told(report.findings)).toEqual([`altered ${key}`]);
      expect(await repairStorage(server.context, report)).toEqual([]);
      expect((await check()).findings).toEqual([]);
    } finally {
      await server.stop();
    }
  });
});
