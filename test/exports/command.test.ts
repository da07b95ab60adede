import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { chmod, chown, mkdtemp, readdir, rename, rm, stat, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeJournal } from "../backup/journal.ts";
import {
  keyOf,
  newPicture,
  type PictureServer,
  startPictureServer,
  upload,
} from "../storage/picture-server.ts";
import { type Device, type Json, newDevice } from "../support/sync-client.ts";
import { until } from "../support/until.ts";
import { readJson, unzip } from "./archives.ts";

let server: PictureServer;
let device: Device;
let folder: string;
let out: string;
beforeAll(async () => {
  server = await startPictureServer("directory");
  device = await newDevice(server);
  await writeJournal(device);
  await upload(device, "photo_1");
});
afterAll(() => server.stop());
beforeEach(async () => {
  if (folder) await rm(folder, { recursive: true });
  folder = await mkdtemp(join(tmpdir(), "tg-export-"));
  out = join(folder, "out.zip");
});
afterAll(() => rm(folder, { recursive: true }));

const args = (...more: string[]) => [
  "export",
  "--user",
  device.person.email,
  "--format",
  "json",
  "--out",
  out,
  ...more,
];
const read = async () => unzip(await Bun.file(out).bytes());

describe("trailglass export", () => {
  test("writes the journal beside a running server, for its owner alone", async () => {
    const outcome = await server.run(args("--photos"));
    expect([outcome.code, outcome.out]).toEqual([0, expect.stringContaining(`to ${out} (`)]);
    expect((await stat(out)).mode & 0o777).toBe(0o600);
    expect(await readdir(folder)).toEqual(["out.zip"]);
    const files = await read();
    expect(readJson(files, "locations.json")).toHaveLength(50);
    expect([...files.keys()].filter((name) => name.startsWith("photos/"))).toHaveLength(1);
  });

  test("takes a range, and goes through a pipe", async () => {
    out = "-";
    const child = server.spawn(args("--from", "2025-01-01T00:00:10Z", "--to", "2025-01-01"));
    const bytes = await new Response(child.stdout).bytes();
    expect([await child.exited, await child.stderr.text()]).toEqual([0, expect.any(String)]);
    const files = await unzip(bytes);
    expect(readJson(files, "locations.json")).toHaveLength(40);
    expect(readJson(files, "trips.json")).toHaveLength(0);
  });

  test("replaces nothing unless it is told to", async () => {
    await Bun.write(out, "something else");
    const refused = await server.run(args());
    expect([refused.code, refused.err]).toEqual([
      1,
      expect.stringContaining("is there already: --force replaces it"),
    ]);
    expect(await Bun.file(out).text()).toBe("something else");
    expect((await server.run(args("--force"))).code).toBe(0);
    expect((await read()).has("README.txt")).toBe(true);
    expect((await stat(out)).mode & 0o777).toBe(0o600);
  });

  test("is exit 1 when pictures are lost, and the rest is there", async () => {
    await upload(device, "photo_lost");
    await server.context.storage.delete((await keyOf(device, "photo_lost")) ?? "");
    const outcome = await server.run(args("--photos"));
    expect([outcome.code, outcome.err]).toEqual([1, expect.stringContaining("1 picture could not be read")]);
    expect(readJson(await read(), "export.json").missing.map(({ photoId }: Json) => photoId)).toEqual([
      "photo_lost",
    ]);
  });

  const wrong: [name: string, change: (args: string[]) => string[], code: number, text: string][] = [
    ["an unknown format", (list) => list.with(4, "pdf"), 64, "--format must be one of"],
    ["no date", (list) => [...list, "--from", "soon"], 64, "--from must be a date"],
    [
      "an end before the start",
      (list) => [...list, "--from", "2025-02-02", "--to", "2025-02-01"],
      64,
      "--to is before --from",
    ],
    ["no account", (list) => list.with(2, "nobody@example.org"), 1, "There is no account"],
    [
      "a folder that is not there",
      (list) => list.with(6, join(tmpdir(), "tg-nowhere", "x.zip")),
      73,
      "cannot be used (ENOENT)",
    ],
  ];
  test.each(wrong)("with %s says so", async (_name, change, code, text) => {
    const outcome = await server.run(change(args()));
    expect(outcome.err).toContain(text);
    expect(outcome.code).toBe(code);
    expect(await readdir(folder)).toEqual([]);
  });

  test("writes through no link, and into no file of somebody else's", async () => {
    const victim = join(folder, "victim");
    await Bun.write(victim, "precious");
    await symlink(victim, `${out}.partial`);
    expect([(await server.run(args())).code, await Bun.file(victim).text()]).toEqual([73, "precious"]);
    if (process.geteuid?.() !== 0) return;
    await rm(`${out}.partial`);
    await rename(victim, `${out}.partial`);
    await chown(`${out}.partial`, 4242, 4242);
    const outcome = await server.run(args());
    expect([outcome.code, outcome.err]).toEqual([1, expect.stringContaining("somebody else's")]);
    expect(await readdir(folder)).toEqual(["out.zip.partial"]);
    expect(await Bun.file(`${out}.partial`).text()).toBe("precious");
  });

  test("that is broken off leaves nothing; one that was killed is in nobody's way", async () => {
    await upload(device, "photo_large", newPicture(45_000_000));
    const partial = `${out}.partial`;
    const begin = async () => {
      const child = server.spawn(args("--photos"));
      await until(async () => ((await stat(partial).catch(() => null))?.size ?? 0) > 100_000);
      return child;
    };
    const broken = await begin();
    broken.kill("SIGINT");
    expect([await broken.exited, await readdir(folder)]).toEqual([130, []]);
    const killed = await begin();
    killed.kill("SIGKILL");
    await killed.exited;
    expect(await readdir(folder)).toEqual(["out.zip.partial"]);
    await chmod(partial, 0o644);
    expect((await server.run(args())).code).toBe(0);
    expect(await readdir(folder)).toEqual(["out.zip"]);
    expect((await stat(out)).mode & 0o777).toBe(0o600);
    expect((await read()).has("README.txt")).toBe(true);
  });
});
