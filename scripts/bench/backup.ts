import { createHash } from "node:crypto";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type postgres from "postgres";
import { DirectoryStorage } from "../../src/storage/directory-storage.ts";
import { newKey } from "../../src/storage/object-key.ts";
import { atMost, type Figure, ratioOf, type Turn } from "./figure.ts";
import { megabyte, watchGrowth } from "./memory.ts";
import { BenchPhone } from "./phone.ts";
import { seedPoints } from "./points.ts";
import { BenchServer } from "./server.ts";

const root = join(import.meta.dir, "../..");
/** 2,000 of them are 5 GB. */
const photoBytes = 2_500_000;
const photos = 2_000;
const fresh = 10;
const turns = 3;

/** Stores photos as the server would have, past it: filling in through it would take ten minutes. */
export async function seedPhotos(
  server: BenchServer,
  phone: BenchPhone,
  from: number,
  to: number,
): Promise<void> {
  const storage = new DirectoryStorage(join(server.dataDir, "objects"));
  const sql = server.connect();
  const bytes = crypto.getRandomValues(new Uint8Array(65_536));
  const picture = Buffer.concat(
    Array.from({ length: Math.ceil(photoBytes / bytes.length) }, () => bytes),
  ).subarray(0, photoBytes);
  for (let n = from; n < to; n++) {
    picture.writeUInt32BE(n, 0);
    const key = newKey("originals");
    const sha256 = createHash("sha256").update(picture).digest();
    await storage.put(key, new Blob([picture]).stream());
    await sql`
      WITH counter AS (UPDATE sync_versions SET version = version + 1 WHERE user_id = ${phone.userId} RETURNING version),
        photo AS (INSERT INTO photos (user_id, id, timestamp, server_version, edited_version)
          SELECT ${phone.userId}::uuid, ${`photo_${n}`}, now(), version, version FROM counter),
        object AS (INSERT INTO stored_objects (user_id, sha256, key, size, media_type, facts)
          VALUES (${phone.userId}, ${sha256}, ${key}, ${photoBytes}, 'image/jpeg', '{}'))
      SELECT 1`;
    await sql`INSERT INTO photo_files (user_id, photo_id, sha256) VALUES (${phone.userId}, ${`photo_${n}`}, ${sha256})`;
  }
  await sql.end();
}

interface Run {
  readonly seconds: number;
  /** Bytes, at its highest. */
  readonly memory: number;
}

/** Runs a command of the program beside a server, or without one. */
async function run(dataDir: string, ...command: string[]): Promise<Run> {
  const began = performance.now();
  const env = {
    PATH: process.env.PATH ?? "",
    HOME: dataDir,
    DATA_DIR: dataDir,
    STORAGE_BACKEND: "directory",
  };
  const program = process.env.BENCH_PROGRAM?.split(" ") ?? [process.execPath, join(root, "cli/main.ts")];
  const child = Bun.spawn([...program, ...command], { cwd: dataDir, env, stdout: "ignore", stderr: "pipe" });
  const { highest } = await watchGrowth(child.pid, () => child.exited);
  if (child.exitCode !== 0)
    throw new Error(`${command.join(" ")}: ${await new Response(child.stderr).text()}`);
  return { seconds: (performance.now() - began) / 1000, memory: highest };
}

async function emptyFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "trailglass-bench-"));
  await chmod(folder, 0o755);
  return folder;
}

/** Rows per second of a plain COPY into a table with the same indexes. */
async function copyRate(sql: postgres.Sql, points: number): Promise<number> {
  await sql`CREATE TABLE bench_copy (LIKE location_samples INCLUDING ALL)`;
  const pieces: Buffer[] = [];
  for await (const piece of await sql`COPY location_samples TO STDOUT`.readable()) pieces.push(piece);
  const rows = Buffer.concat(pieces);
  const began = performance.now();
  const target = await sql`COPY bench_copy FROM STDIN`.writable();
  await new Promise<void>((resolve, reject) => {
    target.once("error", reject);
    for (let at = 0; at < rows.length; at += megabyte) target.write(rows.subarray(at, at + megabyte));
    target.end(() => resolve());
  });
  const rate = points / ((performance.now() - began) / 1000);
  await sql`DROP TABLE bench_copy`;
  return rate;
}

async function measureRestore(points: number): Promise<Figure> {
  const server = await BenchServer.create();
  const backups = await emptyFolder();
  const measured: Turn[] = [];
  try {
    await server.start();
    await seedPoints(server.connect(), await BenchPhone.register(server), points);
    await run(server.dataDir, "backup", "create", "--dir", backups);
    for (let turn = 0; turn < turns; turn++) {
      const target = await emptyFolder();
      const sql = server.connect();
      const other = await copyRate(sql, points);
      await sql.end();
      const { seconds } = await run(target, "restore", "--dir", backups);
      await rm(target, { recursive: true, force: true });
      measured.push({ ours: points / seconds, other });
    }
  } finally {
    await server.remove();
    await rm(backups, { recursive: true, force: true });
  }
  return ratioOf("restore: the whole command, verifying and first start included", measured, 0.3);
}

/** A nightly backup of a household, and the restore of its points. */
export async function measureBackup(points: number): Promise<Figure[]> {
  const server = await BenchServer.create({ STORAGE_BACKEND: "directory" });
  const backups = await emptyFolder();
  try {
    await server.start();
    const phone = await BenchPhone.register(server);
    await seedPoints(server.connect(), phone, points);
    await seedPhotos(server, phone, 0, photos);
    const first = await run(server.dataDir, "backup", "create", "--dir", backups);
    await seedPhotos(server, phone, photos, photos + fresh);
    const next = await run(server.dataDir, "backup", "create", "--dir", backups);
    return [
      atMost(
        `backup with ${fresh} new of ${photos} photos (the first one took ${Math.round(first.seconds)} s)`,
        next.seconds,
        60,
        "s",
      ),
      atMost("its highest memory", next.memory / megabyte, 150, "MB"),
      await measureRestore(points),
    ];
  } finally {
    await server.remove();
    await rm(backups, { recursive: true, force: true });
  }
}
