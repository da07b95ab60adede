import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { streamOf } from "../../src/backup/files.ts";
import { type Manifest, objectName, writeManifest } from "../../src/backup/manifest.ts";
import { prune } from "../../src/backup/prune.ts";
import { verifySnapshot } from "../../src/backup/verify.ts";
import { fingerprintOf } from "../../src/storage/fingerprint.ts";
import { type BackupFolder, flip, namesIn, newFolder } from "./journal.ts";

let folder: BackupFolder;
beforeEach(async () => {
  folder = await newFolder();
});
afterEach(() => folder.remove());

const onlyNewest = { daily: 1, weekly: 0, monthly: 0 };
const idOf = (day: number) => `2026-11-${String(day).padStart(2, "0")}T12-00-00Z`;

/** A backup of a day that has some pictures, each of one word. */
async function make(day: number, words: readonly string[], complete = true): Promise<Manifest> {
  const manifest: Manifest = {
    format: 1,
    id: idOf(day),
    createdAt: `2026-11-${String(day).padStart(2, "0")}T12:00:00.000Z`,
    program: { version: "0.1.0", commit: "" },
    schema: 1,
    postgres: "18.4",
    encryption: null,
    counters: {},
    tables: [],
    objects: [],
    missing: complete ? [] : [{ key: "originals/gone", reason: "missing" }],
    env: null,
  };
  const objects: Manifest["objects"] = [];
  for (const word of words) {
    const { sha256, size } = await fingerprintOf(streamOf(word));
    await folder.files.write(objectName(manifest, sha256), streamOf(word));
    objects.push({ key: `originals/${word}`, sha256, size, mediaType: "image/png" });
  }
  await folder.files.write(`snapshots/${manifest.id}/tables/users.copy.zst`, streamOf("rows"));
  const whole = { ...manifest, objects };
  await writeManifest(folder.files, whole);
  return whole;
}

async function put(name: string): Promise<void> {
  await mkdir(dirname(join(folder.path, name)), { recursive: true });
  await Bun.write(join(folder.path, name), "x");
}

const idsThere = async () => [
  ...new Set((await namesIn(folder.path)).flatMap((name) => /^snapshots\/([^/]+)/.exec(name)?.[1] ?? [])),
];
const objectsThere = async () =>
  (await namesIn(folder.path)).filter((name) => name.startsWith("objects/")).length;

describe("pruning", () => {
  test("removes what is not to be kept, and the pictures that nothing names any longer", async () => {
    await make(1, ["one", "two"]);
    const kept = await make(2, ["two", "three"]);
    const before = await namesIn(folder.path);
    const foreseen = await prune(folder.files, onlyNewest, { dryRun: true });
    expect(await namesIn(folder.path)).toEqual(before);
    const report = await prune(folder.files, onlyNewest);
    expect(report).toEqual(foreseen);
    expect(report).toMatchObject({ removed: [idOf(1)], kept: [idOf(2)], files: 4 });
    expect(await idsThere()).toEqual([idOf(2)]);
    expect(await objectsThere()).toBe(2);
    expect((await verifySnapshot(folder.files, kept.id)).findings).toEqual([]);
  });

  test("removes what was cut off, and leaves alone what is not its own", async () => {
    await make(2, ["one"]);
    const foreign = ["notes.txt", "carried.zip.partial", "snapshots/notes/plan.txt", "objects/readme"];
    const rubbish = [
      `objects/aa/${"a".repeat(64)}.partial`,
      "key.age.partial",
      `snapshots/${idOf(3)}/tables/users.copy.zst`,
      `snapshots/${idOf(3)}/tables/trips.copy.zst.partial`,
    ];
    for (const name of [...foreign, ...rubbish]) await put(name);
    const report = await prune(folder.files, onlyNewest);
    expect(report.files).toBe(rubbish.length);
    const left = await namesIn(folder.path);
    for (const name of foreign) expect(left).toContain(name);
    for (const name of rubbish) expect(left).not.toContain(name);
  });

  test("never removes the last one that lacks nothing", async () => {
    await make(1, ["one"]);
    await make(2, ["two"], false);
    await make(3, ["three"], false);
    expect((await prune(folder.files, onlyNewest)).kept).toEqual([idOf(1), idOf(3)]);
  });

  test("as long as a backup cannot be read, it stays, and every picture", async () => {
    await make(1, ["one"]);
    await make(2, ["two"]);
    await make(3, ["three"]);
    await flip(join(folder.path, `snapshots/${idOf(1)}/manifest.json`));
    const report = await prune(folder.files, onlyNewest);
    expect(report).toMatchObject({ removed: [idOf(2)], unreadable: [idOf(1)], kept: [idOf(3)] });
    expect(await objectsThere()).toBe(3);
    expect(await idsThere()).toEqual([idOf(1), idOf(3)]);
  });
});
