import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { sql } from "drizzle-orm";
import { tables } from "../../src/backup/tables.ts";
import { jsonFileName } from "../../src/exports/json/files.ts";
import { datasets } from "../../src/exports/sources.ts";
import { login } from "../accounts/people.ts";
import { type PictureServer, startPictureServer } from "../storage/picture-server.ts";
import { Device, type Json } from "../support/sync-client.ts";
import { type Files, readJson } from "./archives.ts";
import { createAccount, everythingOf, exported, newFolder, runImport, zipped } from "./importing.ts";
import { liveALife } from "./journal.ts";

/* Export, wipe, import: the account is what it was. TEST_SEED repeats a run. */
setDefaultTimeout(60_000);

const seed = Number(process.env.TEST_SEED || Math.floor(Math.random() * 1e9));

let server: PictureServer;
let elsewhere: PictureServer;
let folder: Awaited<ReturnType<typeof newFolder>>;
beforeAll(async () => {
  console.log(`TEST_SEED=${seed}`);
  server = await startPictureServer("directory");
  elsewhere = await startPictureServer("database");
  folder = await newFolder();
});
afterAll(async () => {
  await server?.stop();
  await elsewhere?.stop();
  await folder?.remove();
});

interface Life {
  readonly device: Device;
  readonly before: Awaited<ReturnType<typeof everythingOf>>;
  readonly files: Files;
  readonly path: string;
  readonly version: number;
}

async function liveAndExport(more: number): Promise<Life> {
  const device = await liveALife(server, seed + more);
  const before = await everythingOf(server.context.db, device.person.userId);
  const { bytes, files } = await exported(device);
  return { device, before, files, path: await folder.write(bytes), version: await device.counter() };
}

/** Signs in with the same phone. */
async function again(at: PictureServer, { person }: Device, account: { email: string; password: string }) {
  return new Device(at, await login(at, account, person.deviceId));
}

/** Nothing of what an export says may differ, but for what belongs to the account itself and not to its journal. */
async function expectSameExport(device: Device, files: Files): Promise<void> {
  const { files: back } = await exported(device);
  expect([...back.keys()].toSorted()).toEqual([...files.keys()].toSorted());
  const isNamed = (name: string) => ["export.json", "README.txt", "devices.json"].includes(name);
  for (const [name, bytes] of files)
    if (!isNamed(name)) expect([name, back.get(name)]).toEqual([name, bytes]);
  const { exportedAt: _at, account, syncVersion: _version, ...rest } = readJson(files, "export.json");
  const { exportedAt: _later, account: own, syncVersion: _lifted, ...same } = readJson(back, "export.json");
  expect(same).toEqual(rest);
  expect(own.photo).toEqual(account.photo);
}

describe("an account that was exported, wiped, and imported", () => {
  let life: Life;
  let account: Awaited<ReturnType<typeof createAccount>>;
  let epochs: string[];
  beforeAll(async () => {
    life = await liveAndExport(0);
    const { context } = server;
    const { userId, email } = life.device.person;
    const epochOf = async (id: string) => {
      const [row] = await context.db.execute<{ epoch: string }>(
        sql`SELECT epoch FROM sync_versions WHERE user_id = ${id}`,
      );
      return row?.epoch ?? "";
    };
    const first = await epochOf(userId);
    await context.accounts.delete(userId);
    account = await createAccount(server, email);
    const second = await epochOf(account.userId);
    const outcome = await runImport(server, email, life.path);
    expect(outcome).toMatchObject({ code: 0, err: expect.not.stringContaining("unexpected") });
    expect(outcome.out).toContain(`Imported into ${email}`);
    epochs = [first, second, await epochOf(account.userId)];
  });

  test("has every column of every row of every table", async () => {
    const after = await everythingOf(server.context.db, account.userId);
    for (const [name, rows] of Object.entries(life.before)) {
      expect([name, rows.length]).not.toEqual([name, 0]);
      expect([name, after[name]]).toEqual([name, rows]);
    }
  });

  test("of no table is forgotten", () => {
    const own = [
      "users",
      "user_credentials",
      "refresh_tokens",
      "password_reset_tokens",
      "sync_versions",
      "direct_uploads",
    ];
    const owned = tables.filter(({ owner }) => owner !== null).map(({ name }) => name);
    expect(owned.filter((name) => !own.includes(name) && !(name in life.before))).toEqual([]);
  });

  test("has a counter above all that phones have seen, and another epoch", async () => {
    const [row] = await life.device.rows<Json>(
      sql`SELECT version, has_envelopes FROM sync_versions WHERE user_id = ${account.userId}`,
    );
    expect(row).toEqual({ version: life.version + 1_000_000, has_envelopes: true });
    expect(new Set(epochs).size).toBe(3);
  });

  test("exports the same again, and nothing is left over", async () => {
    const device = await again(server, life.device, account);
    await expectSameExport(device, life.files);
    const [waiting] = await device.rows<Json>(sql`
      SELECT count(*) AS keys FROM unreferenced_objects WHERE due_at > now() AND owner_id IS NULL`);
    expect(waiting.keys).toBe(0);
    await server.context.sweeper.run();
    const check = await server.run(["storage", "check"]);
    expect([check.code, check.err]).toEqual([0, ""]);
  });

  test("shows its pictures, and asks for their thumbnails", async () => {
    const device = await again(server, life.device, account);
    const pictures = life.before.stored_objects?.length ?? 0;
    const jobs = await device.rows(
      sql`SELECT FROM jobs WHERE kind = 'thumbnails' AND owner_id = ${account.userId}`,
    );
    expect([pictures, jobs.length]).toEqual([3, 3]);
    const { url } = await device.call("GET", "/photos/photo_2");
    expect((await fetch(url)).status).toBe(200);
    const { profilePhotoUrl } = await device.call("GET", "/user/profile");
    const bytes = Buffer.from(await (await fetch(profilePhotoUrl)).arrayBuffer());
    expect(bytes).toEqual(Buffer.from(life.files.get("profile.jpg") ?? []));
  });

  test("is refused a second time", async () => {
    const { code, err } = await runImport(server, account.email, life.path);
    expect([code, err]).toEqual([1, expect.stringContaining("has a journal already")]);
    expect(err).toContain(`trailglass delete-user ${account.email}`);
  });
});

test("the same on another server, with another storage, from lists that were laid out anew", async () => {
  const life = await liveAndExport(1);
  const account = await createAccount(elsewhere);
  const anew = [...life.files].map(([name, bytes]) => {
    const isList = name.endsWith(".json") && name !== "schema.json";
    return [
      `journal/${name}`,
      isList ? `\ufeff${JSON.stringify(readJson(life.files, name), null, 2)}` : bytes,
    ] as const;
  });
  const path = await folder.write(await zipped(anew));
  // The fewest connections that there may be: rows wait on one of them, and pictures come by the other.
  const narrow = { DATABASE_MAX_POOL_SIZE: "2" };
  const report = await elsewhere.run(["import", "--user", account.email, path, "--json"], narrow);
  expect(report).toMatchObject({ code: 0, err: "" });
  const rows = datasets.reduce(
    (sum, name) => sum + readJson(life.files, "export.json").files[jsonFileName(name)].rows,
    0,
  );
  expect(JSON.parse(report.out)).toMatchObject({
    email: account.email,
    rows,
    pictures: 3,
    leftOut: 0,
    range: null,
  });
  const after = await everythingOf(elsewhere.context.db, account.userId);
  expect(after).toEqual(life.before);
  const device = await again(elsewhere, life.device, account);
  await expectSameExport(device, life.files);
});
