import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { readFingerprint } from "../../src/storage/fingerprint.ts";
import { StorageAwayError } from "../../src/storage/inspection.ts";
import { migrateObjects } from "../../src/storage/migrate.ts";
import { newKey } from "../../src/storage/object-key.ts";
import { openStorage } from "../../src/storage/open-storage.ts";
import type { ObjectStorage } from "../../src/storage/storage.ts";
import { type Backend, hasS3Server } from "../support/storages.ts";
import { type Device, newDevice } from "../support/sync-client.ts";
import {
  keyOf,
  newPicture,
  type PictureServer,
  setAvatar,
  startPictureServer,
  upload,
} from "./picture-server.ts";

let server: PictureServer;
let phone: Device;
let source: ObjectStorage;
let target: ObjectStorage;

async function start(from: Backend, to: Backend) {
  server = await startPictureServer(from, to === "s3");
  source = server.context.storage;
  target = await openStorage({ ...server.config, storageBackend: to }, server.context.db);
  phone = await newDevice(server);
}

const stop = async () => {
  await target.close();
  await server.stop();
};

const migrate = (from = source, to = target) =>
  migrateObjects({ db: server.context.db, source: from, target: to });

/** Keys, sizes and hashes of all that lies in some areas. */
async function contentOf(storage: ObjectStorage, areas = ["originals/", "avatars/"]) {
  const found: unknown[] = [];
  for (const area of areas)
    for await (const { key } of storage.list(area))
      found.push({ key, ...(await readFingerprint(storage, key)) });
  return found.sort((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b)));
}

async function put(storage: ObjectStorage, key: string, bytes: Uint8Array<ArrayBuffer>) {
  await storage.put(key, new Blob([bytes]).stream(), { mediaType: "image/png" });
}

const garbage = (size: number) => crypto.getRandomValues(new Uint8Array(size));

async function uploadSome(): Promise<string[]> {
  const sizes = [0, 1000, 600_000, 2_500_000];
  for (const [index, size] of sizes.entries()) await upload(phone, `p${index}`, newPicture(size));
  await server.context.previews.settle();
  return Promise.all(sizes.map(async (_, index) => (await keyOf(phone, `p${index}`)) as string));
}

const ways: [Backend, Backend][] = [
  ["directory", "database"],
  ["database", "directory"],
  ...(hasS3Server()
    ? ([
        ["directory", "s3"],
        ["s3", "database"],
      ] as [Backend, Backend][])
    : []),
];

describe.each(ways)("from %s to %s", (from, to) => {
  beforeEach(() => start(from, to));
  afterEach(stop);

  test("and back: the same bytes, but no thumbnails; a second run copies nothing", async () => {
    await uploadSome();
    await setAvatar(phone);
    const before = await contentOf(source);
    const all = await contentOf(source, [""]);
    expect(before).toHaveLength(5);
    expect(await migrate()).toMatchObject({ copied: 5, present: 0, findings: [] });
    expect(await contentOf(target, [""])).toEqual(before);
    expect(await contentOf(source, [""])).toEqual(all);
    expect(await migrate()).toMatchObject({ copied: 0, bytes: 0, present: 5, findings: [] });
    await upload(phone, "later");
    expect(await migrate()).toMatchObject({ copied: 1, present: 5 });
    for (const { key } of before as { key: string }[]) await source.delete(key);
    expect(await migrate(target, source)).toMatchObject({ copied: 5, present: 1, findings: [] });
    expect(await contentOf(source)).toEqual(await contentOf(target));
  });

  test("what lies in the target and is not the same is replaced", async () => {
    const [same = "", changed = "", shorter = "", longer = ""] = await uploadSome();
    const avatar = await setAvatar(phone);
    await migrate();
    await put(target, changed, garbage((await target.stat(changed))?.size ?? 0));
    await put(target, shorter, garbage(5));
    await put(target, longer, garbage(3_000_000));
    await put(target, avatar, garbage((await target.stat(avatar))?.size ?? 0));
    expect(await migrate()).toMatchObject({ copied: 4, present: 1, findings: [] });
    expect(await contentOf(target)).toEqual(await contentOf(source));
    expect(await target.stat(same)).not.toBeNull();
  });

  test("a damaged source is told, the rest is copied, and nothing damaged comes into the target", async () => {
    const [missing = "", altered = "", shorter = "", longer = ""] = await uploadSome();
    const avatar = await setAvatar(phone);
    await upload(phone, "whole");
    await source.delete(missing);
    await source.delete(avatar);
    await put(source, altered, garbage((await source.stat(altered))?.size ?? 0));
    await put(source, shorter, garbage(600_000 - 1));
    await put(source, longer, garbage(5_000_000));
    const report = await migrate();
    expect(report).toMatchObject({ copied: 1, present: 0 });
    const { email } = phone.person;
    expect(
      report.findings.map(({ kind, key, email, photoIds }) => [kind, key, email, ...photoIds]).sort(),
    ).toEqual(
      [
        ["altered", altered, email, "p1"],
        ["altered", longer, email, "p3"],
        ["altered", shorter, email, "p2"],
        ["missing", avatar, email],
        ["missing", missing, email, "p0"],
      ].sort(),
    );
    expect(await contentOf(target, [""])).toMatchObject([{ key: await keyOf(phone, "whole") }]);
  });
});

describe("the command", () => {
  beforeEach(() => start("directory", "database"));
  afterEach(stop);

  test("copies, and says what to do", async () => {
    await uploadSome();
    const { code, out, err } = await server.run(["storage", "migrate", "--to", "database"]);
    expect([code, err]).toEqual([0, ""]);
    expect(out).toStartWith("Copied 4 pictures (3.1 MB) to database; 0 lay there already.\n");
    expect(out).toContain("Thumbnails are not copied");
    expect(out).toContain("set STORAGE_BACKEND=database and restart");
    expect(out).not.toMatch(/[^\n\x20-\x7e]/);
    expect(await contentOf(target)).toEqual(await contentOf(source));
    const environment = { STORAGE_BACKEND: "database" };
    expect((await server.run(["storage", "check"], environment)).out).toContain("All is well.");
    const back = await server.run(["storage", "migrate", "--to", "directory"], environment);
    expect(back.out).toStartWith("Copied 0 pictures (0 bytes) to directory; 4 lay there already.\n");
  });

  test("is exit 1 when something is damaged", async () => {
    const [key = ""] = await uploadSome();
    await put(source, key, garbage(9));
    const { code, out, err } = await server.run(["storage", "migrate", "--to", "database"]);
    expect([code, err]).toEqual([1, "trailglass: 1 picture could not be copied: damaged where they lie.\n"]);
    expect(out).toContain(`altered     ${key}  ${phone.person.email}  photo p0  (9 bytes instead of `);
    expect(out).toContain("Copied 3 pictures");
  });

  test("shows how far it is on a terminal", async () => {
    for (let i = 0; i < 3; i++) await upload(phone, `p${i}`, newPicture(15_000_000));
    const { code, screen } = await server.runOnTerminal(["storage", "migrate", "--to", "database"]);
    expect(code).toBe(0);
    expect(screen).toMatch(/Copying \d of 3, \S+ \w+ of 45.0 MB/);
    expect(screen).toContain("Copied 3 pictures (45.0 MB)");
  });

  test("killed in the middle, and run again", async () => {
    const pictures = 30;
    for (let i = 0; i < pictures; i++) await upload(phone, `p${i}`, newPicture(1_000_000));
    const arrived = async () => (await Array.fromAsync(target.list("originals/"))).length;
    let kills = 0;
    for (let before = 0; before < 20; before = await arrived()) {
      const child = server.spawn(["storage", "migrate", "--to", "database"]);
      while (child.exitCode === null && (await arrived()) < before + 4) await Bun.sleep(1);
      child.kill("SIGKILL");
      await child.exited;
      if (child.signalCode === "SIGKILL") kills++;
    }
    expect(kills).toBeGreaterThan(0);
    const { code, out } = await server.run(["storage", "migrate", "--to", "database"]);
    expect(code).toBe(0);
    const [, copied, present] = /Copied (\d+) .*; (\d+) lay there/.exec(out)?.map(Number) ?? [];
    expect((copied ?? 0) + (present ?? 0)).toBe(pictures);
    expect(present).toBeGreaterThanOrEqual(20);
    expect(await contentOf(target)).toEqual(await contentOf(source));
  });

  test("refuses what cannot be", async () => {
    const same = await server.run(["storage", "migrate", "--to", "directory"]);
    expect([same.code, same.err]).toEqual([
      1,
      "trailglass: Pictures are stored there already: STORAGE_BACKEND is directory.\n",
    ]);
    const unset = await server.run(["storage", "migrate", "--to", "s3"], { STORAGE_ACCESS_KEY: "key" });
    expect([unset.code, unset.out]).toEqual([78, ""]);
    expect(unset.err).toContain("STORAGE_SECRET_KEY is needed");
    expect(unset.err).not.toContain("STORAGE_ACCESS_KEY");
    const away = await server.run(["storage", "migrate", "--to", "s3"], {
      STORAGE_ACCESS_KEY: "key",
      STORAGE_SECRET_KEY: "s3cret",
      STORAGE_ENDPOINT: "http://127.0.0.1:1",
    });
    expect([away.code, away.out]).toEqual([69, ""]);
    expect(away.err).toStartWith("trailglass: S3 storage: http://127.0.0.1:1 cannot be reached");
    expect(away.err).not.toContain("s3cret");
    expect((await server.run(["storage", "migrate"])).code).toBe(64);
    expect((await server.run(["storage", "migrate", "--to", "tape"])).code).toBe(64);
  });
});

describe("a target", () => {
  beforeEach(() => start("directory", "database"));
  afterEach(stop);

  test("that does not give back what it was given is given up", async () => {
    const [key = ""] = await uploadSome();
    const forgetful = Object.create(target, {
      put: {
        value: (at: string, body: ReadableStream<Uint8Array>, options: { mediaType: string }) =>
          at === key
            ? new Response(body).bytes().then(() => put(target, at, garbage(7)))
            : target.put(at, body, options),
      },
    });
    for (const name of ["get", "stat", "delete", "list", "probe"] as const)
      forgetful[name] = (target[name] as (...args: unknown[]) => unknown).bind(target);
    await expect(migrate(source, forgetful)).rejects.toThrow(StorageAwayError);
  });

  test("need not take what is deleted meanwhile", async () => {
    const [key = ""] = await uploadSome();
    const vanishing = Object.create(source, {});
    for (const name of ["stat", "delete", "list", "probe"] as const)
      vanishing[name] = (source[name] as (...args: unknown[]) => unknown).bind(source);
    vanishing.get = async (at: string) => {
      if (at === key) await server.context.accounts.delete(phone.person.userId);
      return source.get(at);
    };
    await put(source, newKey("uploads"), newPicture());
    expect((await migrate(vanishing)).findings).toEqual([]);
  });
});
