import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chownSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LocalFiles } from "../../src/backup/local-files.ts";
import { Spool } from "../../src/photos/spool.ts";
import { DirectoryStorage } from "../../src/storage/directory-storage.ts";
import { newKey } from "../../src/storage/object-key.ts";
import { quadrantsPng } from "../support/png.ts";

const [uid, gid] = [4242, 4243];
const isRoot = process.geteuid?.() === 0;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "trailglass-owner-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** A folder that belongs to the user of the service. */
function serviceFolder(name: string): string {
  const path = join(folder, name);
  mkdirSync(path);
  chownSync(path, uid, gid);
  return path;
}

const strangers = (path: string) =>
  readdirSync(path, { recursive: true, encoding: "utf8" }).filter((name) => {
    const found = statSync(join(path, name));
    return found.uid !== uid || found.gid !== gid;
  });

const text = () => new Response("a").body as ReadableStream<Uint8Array>;

describe.skipIf(!isRoot)("what root makes in a folder of the server's user is that user's", () => {
  test("a backup, its folders and its lock", async () => {
    const path = serviceFolder("backups");
    const files = new LocalFiles(path);
    await (await files.lock())();
    await files.write("snapshots/now/manifest.json", text());
    expect(readdirSync(path).sort()).toEqual(["lock", "snapshots"]);
    expect(strangers(path)).toEqual([]);
  });

  test("a picture and its folders", async () => {
    const path = serviceFolder("objects");
    const storage = new DirectoryStorage(join(path, "deep"));
    await storage.put(newKey("originals"), text());
    expect(readdirSync(path)).toEqual(["deep"]);
    expect(strangers(path)).toEqual([]);
  });

  test("a picture that is received before it is stored", async () => {
    const path = serviceFolder("data");
    const pieces = new Blob([quadrantsPng(8, 8)]).stream();
    await using picture = await new Spool(join(path, "incoming"), 1_000_000).receive(pieces);
    expect(strangers(path)).toEqual([]);
    await new DirectoryStorage(join(path, "objects")).putFile(newKey("originals"), picture.path);
    expect(strangers(path)).toEqual([]);
  });

  test("and nothing that a link in it leads to", async () => {
    const path = serviceFolder("links");
    const victim = join(folder, "victim");
    symlinkSync(victim, join(path, "lock"));
    await expect(new LocalFiles(path).lock()).rejects.toThrow("cannot be used");
    expect(readdirSync(folder)).not.toContain("victim");
  });
});
