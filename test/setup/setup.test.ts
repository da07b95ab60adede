import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseEnv } from "node:util";
import { deviceInfo } from "../accounts/people.ts";
import { program } from "../support/program.ts";
import { freePort, makePlace, type Outcome, type Place } from "../support/setup-runs.ts";
import { createTestDatabase, type TestDatabase } from "../support/shared-postgres.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

const settings = ({ envFile }: Place) => parseEnv(readFileSync(envFile, "utf8"));
const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);

/** Runs a test in a place of its own. */
async function inPlace(work: (place: Place) => Promise<void>): Promise<void> {
  const place = makePlace();
  try {
    await work(place);
  } finally {
    place.remove();
  }
}

/** A database that is there takes a second less than the embedded one. */
function withDatabase(place: Place): string[] {
  const path = join(place.folder, "database-url");
  writeFileSync(path, `${database.url}\n`);
  return ["--yes", "--data-dir", place.dataDir, "--database-url-file", path];
}

describe("setup --yes in an empty folder", () => {
  const place = makePlace();
  let outcome: Outcome;
  let port: number;
  beforeAll(async () => {
    port = await freePort();
    const address = ["--port", `${port}`, "--public-url", `http://127.0.0.1:${port}`];
    const account = ["--email", "ada@example.org", "--password-stdin"];
    outcome = await place.setup(
      ["--yes", "--data-dir", place.dataDir, ...address, ...account],
      "a good password\n",
    );
  });
  afterAll(() => place.remove());

  test("says what it did, and no secret", () => {
    expect([outcome.code, outcome.err]).toEqual([0, ""]);
    expect(outcome.out).toContain(`settings    ${place.envFile}`);
    expect(outcome.out).toContain("The account ada@example.org is made");
    expect(outcome.out).toContain(`serve --config ${place.envFile}`);
    expect(outcome.out).not.toContain("a good password");
    expect(outcome.out).not.toContain(settings(place).JWT_SECRET as string);
  });

  test("leaves nothing but its own files, the secret ones for their owner alone", () => {
    expect(readdirSync(join(place.folder, "etc"))).toEqual(["trailglass.env"]);
    expect([modeOf(place.envFile), modeOf(place.dataDir)]).toEqual(["600", "700"]);
    expect(settings(place)).toMatchObject({
      REGISTRATION: "closed",
      ALLOW_PLAIN_HTTP: "true",
      BACKUP_DIR: join(place.dataDir, "backups"),
    });
  });

  test("makes a server that serves the account", async () => {
    const server = Bun.spawn([...program, "serve", "--config", place.envFile], {
      cwd: place.folder,
      env: { PATH: process.env.PATH ?? "" },
      stdout: "ignore",
      stderr: "ignore",
    });
    try {
      const ready = await place.run(["healthcheck", "--wait", "60"]);
      expect(ready.code).toBe(0);
      const deviceId = crypto.randomUUID();
      const answer = await fetch(`http://127.0.0.1:${port}/api/v1/auth/login`, {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-Device-ID": deviceId, "X-App-Version": "1.0.0" },
        body: JSON.stringify({
          email: "ada@example.org",
          password: "a good password",
          deviceInfo: deviceInfo(deviceId),
        }),
      });
      expect(answer.status).toBe(200);

      const again = await place.setup(["--yes"]);
      expect([again.code, again.err]).toEqual([0, ""]);
      expect(again.out).toContain("Restart the server");
    } finally {
      server.kill("SIGTERM");
      await server.exited;
    }
  });
});

describe("run again", () => {
  test("it keeps secrets, and what a person wrote, and changes only what is said anew", () =>
    inPlace(async (place) => {
      const flags = withDatabase(place);
      const first = await place.setup([
        ...flags,
        "--reach",
        "caddy",
        "--public-url",
        "https://trails.example.org/",
      ]);
      expect(first.code).toBe(0);
      const before = readFileSync(place.envFile, "utf8");
      const own = `${before}\n# my own\nLOG_LEVEL=debug\nMY_NOTE='a b'\n`;
      writeFileSync(place.envFile, own);

      const same = await place.setup(["--yes"]);
      expect([same.code, readFileSync(place.envFile, "utf8")]).toEqual([0, own]);

      const changed = await place.setup(["--yes", "--photos", "directory"]);
      expect(changed.code).toBe(0);
      expect(changed.err).toContain("trailglass storage migrate");
      expect(readFileSync(place.envFile, "utf8")).toBe(
        own.replace("STORAGE_BACKEND=database", "STORAGE_BACKEND=directory"),
      );
      expect(readFileSync(`${place.envFile}.old`, "utf8")).toBe(own);
      expect(modeOf(`${place.envFile}.old`)).toBe("600");
    }));

  test("another way in gets its own port, address and file", () =>
    inPlace(async (place) => {
      const flags = [...withDatabase(place), "--public-url", "https://trails.example.org"];
      await place.setup([...flags, "--reach", "nginx"]);
      const reach = join(place.folder, "etc/reach");
      expect(readdirSync(reach)).toEqual(["nginx.conf"]);
      expect(settings(place)).toMatchObject({
        APP_HOST: "127.0.0.1",
        PUBLIC_URL: "https://trails.example.org",
      });
      const { code } = await place.setup([
        "--yes",
        "--reach",
        "lan",
        "--public-url",
        "http://192.168.7.7:8080",
      ]);
      expect(code).toBe(0);
      expect(readdirSync(reach)).toEqual(["nginx.conf.old"]);
      expect(settings(place)).toMatchObject({ APP_HOST: "0.0.0.0", ALLOW_PLAIN_HTTP: "true" });
    }));

  test("an account that is there already keeps its password", () =>
    inPlace(async (place) => {
      const flags = [...withDatabase(place), "--email", "eve@example.org", "--password-stdin"];
      expect((await place.setup(flags, "a good password")).code).toBe(0);
      const { code, err } = await place.setup(flags, "another password");
      expect(code).toBe(0);
      expect(err).toContain("There is an account eve@example.org already");
    }));
});

describe("the passphrase of backups", () => {
  test("is made up, in a file of its own, never shown; an older one is kept", () =>
    inPlace(async (place) => {
      const flags = [...withDatabase(place), "--backup-encryption", "made"];
      const { code, out } = await place.setup(flags);
      const path = join(place.folder, "etc/backup-passphrase");
      const passphrase = readFileSync(path, "utf8").trim();
      expect(code).toBe(0);
      expect(passphrase.length).toBeGreaterThan(15);
      expect(out).not.toContain(passphrase);
      expect(out).toContain("Copy the passphrase");
      expect([modeOf(path), settings(place).BACKUP_PASSPHRASE_FILE]).toEqual(["600", path]);

      await place.setup(["--yes"]);
      expect(readFileSync(path, "utf8").trim()).toBe(passphrase);

      writeFileSync(join(place.folder, "typed"), "my own passphrase\n");
      await place.setup(["--yes", "--backup-passphrase-file", join(place.folder, "typed")]);
      expect(readFileSync(path, "utf8")).toBe("my own passphrase\n");
      const [old = ""] = readdirSync(join(place.folder, "etc")).filter((name) => name.includes(".until-"));
      expect(readFileSync(join(place.folder, "etc", old), "utf8").trim()).toBe(passphrase);
    }));
});

describe("what is missing or too much is exit 64, and nothing is written", () => {
  test.each([
    ["no terminal and no --yes", [], /no terminal to ask.*--data-dir.*--account.*--yes/s],
    [
      "no keys of S3",
      ["--yes", "--photos", "s3"],
      /Not answered: --storage-access-key, --storage-secret-key-file/,
    ],
    ["a flag without meaning", ["--yes", "--tls-key", "/x", "--reach", "lan"], /--tls-key: of no use/],
    [
      "a password in an argument",
      ["--yes", "--database-url", "postgres://u:s3cret@h/d"],
      /--database-url-file/,
    ],
    ["a bad port", ["--yes", "--port", "http"], /--port must be a whole number/],
    ["a bad choice", ["--yes", "--photos", "attic"], /database, directory, s3/],
    [
      "a file that is not there",
      ["--yes", "--email", "a@b.c", "--password-file", "/nowhere"],
      /--password-file \/nowhere cannot be read \(ENOENT\)/,
    ],
    ["a weak password", ["--yes", "--email", "a@b.c", "--password-stdin"], /--password-file must have 8/],
    [
      "two secrets from one input",
      ["--yes", "--smtp-password-file", "-", "--password-stdin"],
      /Only one secret/,
    ],
  ])("%s", (_what, flags, message) =>
    inPlace(async (place) => {
      const { code, err } = await place.setup(flags, "short");
      expect(err).toMatch(message);
      expect(err).not.toContain("s3cret");
      expect(code).toBe(64);
      expect(readdirSync(place.folder)).toEqual([]);
    }),
  );
});

test("an env file that cannot be read is not overwritten", () =>
  inPlace(async (place) => {
    mkdirSync(place.envFile, { recursive: true });
    const { code, err } = await place.setup(["--yes"]);
    expect([code, err.includes("cannot be read")]).toEqual([78, true]);
    expect(existsSync(place.dataDir)).toBe(false);
  }));

test("without an account, it says who may come first, and how to make one", () =>
  inPlace(async (place) => {
    const other = await createTestDatabase();
    try {
      writeFileSync(join(place.folder, "url"), other.url);
      const { code, out, err } = await place.setup([
        "--yes",
        "--data-dir",
        place.dataDir,
        "--database-url-file",
        join(place.folder, "url"),
      ]);
      expect(code).toBe(0);
      expect(err).toContain("the first to come may register");
      expect(out).toContain(`create-user you@example.org --config ${place.envFile}`);
    } finally {
      await other.drop();
    }
  }));
