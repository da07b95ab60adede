import { afterEach, beforeEach, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { AppError } from "../../src/errors.ts";
import { DirectoryStorage } from "../../src/storage/directory-storage.ts";
import { newKey } from "../../src/storage/object-key.ts";
import { someBytes, streamOf } from "../support/bytes.ts";

const key = "originals/0123456789abcdef0123456789abcdef";
let folder: string;
let root: string;
let storage: DirectoryStorage;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tg-directory-"));
  root = join(folder, "objects");
  storage = new DirectoryStorage(root);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const put = (bytes: Uint8Array, at = key) => storage.put(at, streamOf(bytes));
const modeOf = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);

test("files lie two folders deep, and are nobody else's business", async () => {
  await put(someBytes(10));
  const path = join(root, "originals/01/23/0123456789abcdef0123456789abcdef");
  expect(await modeOf(path)).toBe("600");
  for (let at = dirname(path); at.length >= root.length; at = dirname(at))
    expect(await modeOf(at)).toBe("700");
  expect(await modeOf(join(root, "incoming"))).toBe("700");
});

test("a file that is taken over is nobody else's business either", async () => {
  const path = join(folder, "brought");
  await writeFile(path, "hello", { mode: 0o644 });
  await storage.putFile(key, path);
  expect(await modeOf(join(root, "originals/01/23/0123456789abcdef0123456789abcdef"))).toBe("600");
});

test.each([
  "../x",
  "originals/../../x",
  "originals/.hidden",
  "other/0123456789abcdef0123456789abcdef",
  `${key}/x`,
  `/${key}`,
  "",
])("%p is no key, whatever it is asked for", async (wrong) => {
  const path = join(folder, "brought");
  await writeFile(path, "hello");
  for (const work of [
    () => storage.put(wrong, streamOf(someBytes(1))),
    () => storage.putFile(wrong, path),
    () => storage.get(wrong),
    () => storage.stat(wrong),
    () => storage.delete(wrong),
  ])
    await expect(work()).rejects.toThrow("not a key");
  expect((await readdir(folder)).sort()).toEqual(["brought"]);
});

test("what others left in the folder is no object", async () => {
  await put(someBytes(1));
  await writeFile(join(root, "originals/01/23/notes.txt"), "");
  await mkdir(join(root, "incoming"), { recursive: true });
  await writeFile(join(root, "incoming/x"), "");
  expect((await Array.fromAsync(storage.list(""))).map((found) => found.key)).toEqual([key]);
});

test("sweeps what is left of writes, once that is a day old", async () => {
  await put(someBytes(1));
  const [old, young] = [join(root, "incoming/old"), join(root, "incoming/young")];
  for (const path of [old, young]) await writeFile(path, "");
  const longAgo = new Date(Date.now() - 25 * 60 * 60 * 1000);
  await utimes(old, longAgo, longAgo);
  await storage.sweepFragments();
  expect(await readdir(join(root, "incoming"))).toEqual(["young"]);
  expect(await storage.stat(key)).not.toBeNull();
});

test("every byte, name and folder is on the disk when a write is done", async () => {
  const log = join(folder, "calls");
  const script = `
    const { DirectoryStorage } = await import("./src/storage/directory-storage.ts");
    await new DirectoryStorage("${root}").put("${key}", new Blob(["hello"]).stream());`;
  const traced = spawnSync(
    "strace",
    [
      "-f",
      "-y",
      "-e",
      "trace=fsync,fdatasync,rename,renameat,renameat2",
      "-o",
      log,
      process.execPath,
      "-e",
      script,
    ],
    { cwd: join(import.meta.dir, "../.."), encoding: "utf8" },
  );
  if (traced.error) return console.log("no strace here: the order of fsync and rename is not looked at");
  const calls = (await Bun.file(log).text())
    .split("\n")
    .filter((line) => line.includes(root) || line.includes(folder));
  const renamed = calls.findIndex((line) => line.includes("rename"));
  const written = calls.findIndex((line) => /fsync\(.*incoming\//.test(line));
  expect(written).toBeGreaterThanOrEqual(0);
  expect(written).toBeLessThan(renamed);
  const after = calls.slice(renamed + 1).join("\n");
  expect(after).toMatch(/fsync\(\d+<[^>]*originals\/01\/23>/);
  const all = calls.join("\n");
  for (const path of [`${root}/originals/01`, `${root}/originals`, root, folder])
    expect(all).toContain(`<${path}>`);
});

/** A file system of 2 MB; null where this process may not mount. */
async function mountSmall(): Promise<string | null> {
  const path = join(folder, "small");
  await mkdir(path);
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", path]);
  return mounted.status === 0 ? path : null;
}

test("a disk that is full is a 503, and leaves nothing on it; room makes it work again", async () => {
  const small = await mountSmall();
  if (!small) return console.log("no right to mount: a full disk is not tested here");
  try {
    storage = new DirectoryStorage(join(small, "objects"));
    await put(someBytes(1_000_000));
    const error = await put(someBytes(3_000_000), newKey("originals")).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(AppError);
    expect(error).toMatchObject({ status: 503, message: "The disk is full" });
    expect(error.extras.headers["Retry-After"]).toBeDefined();
    expect(await readdir(join(small, "objects/incoming"))).toEqual([]);
    expect(await Array.fromAsync(storage.list(""))).toHaveLength(1);
    await put(someBytes(500_000), newKey("originals"));
    const path = join(folder, "brought");
    const bytes = someBytes(200_000);
    await writeFile(path, bytes);
    const other = newKey("originals");
    // From another file system: this cannot be a rename.
    await storage.putFile(other, path);
    expect(
      Buffer.from(await new Response((await storage.get(other))?.body as Blob).bytes()).equals(bytes),
    ).toBe(true);
    expect(await Bun.file(path).exists()).toBe(false);
  } finally {
    spawnSync("umount", [small]);
  }
});

test("a folder that cannot be used is a 503, and told to the administrator by name", async () => {
  await writeFile(join(folder, "file"), "");
  const broken = new DirectoryStorage(join(folder, "file/objects"));
  await expect(broken.probe()).rejects.toThrow(`the folder ${join(folder, "file/objects")} cannot be used`);
  if (process.getuid?.() === 0) return;
  await mkdir(root);
  await chmod(root, 0o500);
  await expect(put(someBytes(1))).rejects.toMatchObject({ status: 503 });
});
