import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "drizzle-orm";
import { longFor } from "../../src/amounts.ts";
import { checkAccounts, checkSigningKeys } from "../../src/doctor/accounts.ts";
import { judgeBackups } from "../../src/doctor/backups.ts";
import { type Check, runChecks } from "../../src/doctor/check.ts";
import { checkClock } from "../../src/doctor/clock.ts";
import { checkConfiguration, checkPlainHttp } from "../../src/doctor/configuration.ts";
import { checkConflicts, checkDatabase, checkSchema } from "../../src/doctor/database.ts";
import { checkDisk, judgeRoom } from "../../src/doctor/disk.ts";
import { combine, fail, ok, skip, warn } from "../../src/doctor/finding.ts";
import { checkJobs } from "../../src/doctor/jobs.ts";
import { checkMail } from "../../src/doctor/mail.ts";
import { checkPermissions } from "../../src/doctor/permissions.ts";
import { checkStorage } from "../../src/doctor/storage.ts";
import type { Room } from "../../src/health/disk.ts";
import { enqueue } from "../../src/jobs/queue.ts";
import { anyDevice, startTestServer, type TestServer } from "../support/test-server.ts";
import { partsOf, partsWithout } from "./patient.ts";

let server: TestServer;
let folder: string;
beforeAll(async () => {
  server = await startTestServer({ publicUrl: "https://trails.example.org", registration: "closed" });
});
afterAll(() => server.stop());
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "trailglass-checks-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("checks", () => {
  const check = (name: string, look: Check["look"]): Check => ({ name, look, seconds: 0.05 });

  test("are all made, whatever one of them does", async () => {
    const findings = await runChecks(
      [
        check("fine", async () => ok("well")),
        check("breaks", () => Promise.reject(new Error("with a secret"))),
        check("throws", () => {
          throw new TypeError("at once");
        }),
        check("hangs", () => new Promise(() => {})),
      ],
      partsWithout(),
    );
    expect(findings.map(({ status }) => status)).toEqual(["ok", "fail", "fail", "fail"]);
    expect(JSON.stringify(findings)).not.toContain("secret");
    expect(findings[3]?.detail).toContain("0.05 seconds");
  });

  test("of several things tell of what is wrong", () => {
    expect(combine([ok("a"), skip("b")])).toEqual(ok("a"));
    expect(combine([ok("a"), ok("b")])).toEqual(ok("a; b"));
    expect(combine([ok("a"), warn("b", "do b"), fail("c", "do c"), fail("d", "do c")])).toEqual(
      fail("b; c; d", "do b do c"),
    );
  });
});

describe("jobs", () => {
  test("are done, wait for a server, or could not be done", async () => {
    const { db } = server.context;
    expect((await checkJobs(partsOf(server))).status).toBe("ok");
    const id = await enqueue(db, { kind: "sweep" });
    expect((await checkJobs(partsOf(server))).status).toBe("ok");
    await db.execute(sql`UPDATE jobs SET run_at = now() - interval '1 hour'`);
    expect(await checkJobs(partsOf(server))).toMatchObject({
      status: "warn",
      mend: expect.stringContaining("serve"),
    });
    await db.execute(sql`UPDATE jobs SET state = 'dead', finished_at = now() WHERE id = ${id}`);
    expect(await checkJobs(partsOf(server))).toMatchObject({
      status: "warn",
      mend: expect.stringContaining("jobs list"),
    });
    await db.execute(sql`DELETE FROM jobs`);
  });
});

describe("configuration", () => {
  const settings = (file: string) => ({ file, environment: { TRAILGLASS_PROT: "1" } });

  test("an env file that others can read, and names that mean nothing", async () => {
    const file = join(folder, "x.env");
    writeFileSync(file, "", { mode: 0o600 });
    const first = await checkConfiguration(partsWithout({}, { settings: settings(file) }));
    expect([first.status, first.detail]).toEqual([
      "warn",
      expect.stringContaining("TRAILGLASS_PROT is not a setting"),
    ]);
    chmodSync(file, 0o644);
    const second = await checkConfiguration(partsWithout({}, { settings: settings(file) }));
    expect([second.status, second.mend]).toEqual(["fail", expect.stringContaining(`chmod 600 ${file}`)]);
  });

  test("plain HTTP on the internet", async () => {
    const look = (publicUrl: string, allowPlainHttp: boolean) =>
      checkPlainHttp(partsWithout({ publicUrl, allowPlainHttp })).then(({ status }) => status);
    expect(await look("https://trails.example.org", true)).toBe("fail");
    expect(await look("https://trails.example.org", false)).toBe("ok");
    expect(await look("http://192.168.1.2:8080", true)).toBe("ok");
  });
});

describe("the database", () => {
  test("answers; or is not there; or is away", async () => {
    // How fast is the machine's affair.
    expect((await checkDatabase(partsOf(server))).detail).toMatch(/^Postgres \d+\.\d+ .* ms$/);
    expect((await checkDatabase(partsWithout())).status).toBe("warn");
    const database = {
      kind: "configured" as const,
      db: null,
      error: new Error("secret"),
      close: async () => {},
    };
    const away = await checkDatabase(partsWithout({}, { database }));
    expect([away.status, away.detail.includes("secret")]).toEqual(["fail", false]);
  });

  test("with a schema that is old, or newer than the program", async () => {
    expect((await checkSchema(partsOf(server))).status).toBe("ok");
    const { db } = server.context;
    const [last] = await db.execute<{ number: number }>(
      sql`SELECT max(number)::int AS number FROM schema_migrations`,
    );
    await db.execute(sql`UPDATE schema_migrations SET number = 9999 WHERE number = ${last?.number}`);
    const [newer] = await runChecks([{ name: "schema", look: checkSchema }], partsOf(server));
    await db.execute(sql`DELETE FROM schema_migrations WHERE number = 9999 RETURNING *`);
    const old = await checkSchema(partsOf(server));
    expect([newer?.status, newer?.detail]).toEqual([
      "fail",
      expect.stringContaining("older than the database"),
    ]);
    expect([old.status, old.mend]).toEqual(["warn", expect.stringContaining("trailglass migrate")]);
  });

  test("whose clock differs", async () => {
    expect((await checkClock(partsOf(server, { publicUrl: undefined }))).detail).toBe(
      "agrees with the database's",
    );
  });
});

describe("accounts", () => {
  test("none yet, and the server on the internet", async () => {
    expect((await checkAccounts(partsOf(server))).status).toBe("fail");
    expect((await checkAccounts(partsOf(server, { publicUrl: "http://nas.local" }))).status).toBe("warn");
  });

  test("registration that is open to the world; an old key; conflicts that nobody resolves", async () => {
    const { db, registration } = server.context;
    const user = await registration.create({
      email: "a@b.org",
      displayName: "A",
      password: "a good password 1",
    });
    expect((await checkAccounts(partsOf(server))).detail).toBe("registration: closed");
    expect((await checkAccounts(partsOf(server, { registration: "open" }))).status).toBe("warn");

    await db.execute(
      sql`INSERT INTO signing_keys (id, secret) VALUES ('k', decode(repeat('00', 32), 'hex'))`,
    );
    expect((await checkSigningKeys(partsOf(server))).status).toBe("ok");
    await db.execute(sql`UPDATE signing_keys SET created_at = now() - interval '400 days'`);
    const key = await checkSigningKeys(partsOf(server));
    expect([key.status, key.detail, key.mend]).toEqual([
      "warn",
      expect.stringContaining("400 days"),
      expect.stringContaining("rotate-keys"),
    ]);

    await db.execute(sql`
      INSERT INTO devices (user_id, device_id, device_name, platform, os_version, app_version)
      VALUES (${user.id}, ${anyDevice}, 'd', 'p', 'o', 'a')`);
    const conflict = (days: number, status: string) => sql`
      INSERT INTO sync_conflicts (id, user_id, device_id, kind, entity_id, conflict_type, suggestion, local_side, remote_side,
        remote_version, reported_version, status, created_at)
      VALUES (gen_random_uuid(), ${user.id}, ${anyDevice}, 'trip', 't', 'CONCURRENT_MODIFICATION', 'MANUAL', '{}', '{}',
        1, 1, ${status}, now() - make_interval(days => ${days}))`;
    await db.execute(conflict(6, "open"));
    await db.execute(conflict(60, "resolved"));
    expect((await checkConflicts(partsOf(server))).status).toBe("ok");
    await db.execute(conflict(8, "open"));
    const found = await checkConflicts(partsOf(server));
    expect([found.status, found.detail]).toEqual([
      "warn",
      expect.stringContaining(`1 in account ${user.id}`),
    ]);
  });
});

describe("storage", () => {
  test("takes and gives back", async () => {
    expect((await checkStorage(partsOf(server))).detail).toStartWith("database: written");
    const dataDir = join(folder, "data");
    const found = await checkStorage(partsOf(server, { storageBackend: "directory", dataDir }));
    expect(found.detail).toStartWith("directory: written");
  });

  test("does not", async () => {
    writeFileSync(join(folder, "objects"), "a file where a folder should be");
    const found = await checkStorage(partsOf(server, { storageBackend: "directory", dataDir: folder }));
    expect([found.status, found.detail]).toEqual(["fail", expect.stringMatching(/^directory: /)]);
  });

  test("lies in an S3 that is away", async () => {
    const s3 = {
      storageBackend: "s3" as const,
      storageEndpoint: "http://127.0.0.1:1",
      storageAccessKey: "a",
      storageSecretKey: "hidden-key",
    };
    const found = await checkStorage(partsOf(server, s3));
    expect([found.status, found.detail.includes("hidden-key")]).toEqual(["fail", false]);
  });
});

describe("disks", () => {
  const gb = 1024 ** 3;
  const room = (more: Partial<Room>): Room => ({
    free: 50 * gb,
    total: 100 * gb,
    freeFiles: 50,
    files: 100,
    ...more,
  });

  test.each([
    ["room enough", {}, "ok"],
    ["a tenth", { free: 9 * gb }, "warn"],
    ["less than a gigabyte of a small disk", { free: 0.9 * gb, total: 2 * gb }, "warn"],
    ["less than 200 MB", { free: 0.19 * gb, total: gb }, "fail"],
    ["few inodes", { freeFiles: 9 }, "warn"],
    ["hardly any inodes", { freeFiles: 0 }, "fail"],
    ["a file system without inodes", { freeFiles: 0, files: 0 }, "ok"],
  ])("with %s", (_what, more, status) => {
    expect(judgeRoom("DATA_DIR", room(more)).status as string).toBe(status);
  });

  test("are asked, also for folders that are to be made", async () => {
    const parts = partsWithout({ dataDir: join(folder, "not/yet"), backupDir: folder });
    expect((await checkDisk(parts)).detail).toMatch(/DATA_DIR: \d.* of .* free/);
  });
});

describe("permissions", () => {
  const look = (more = {}, environment = {}) =>
    checkPermissions(["BACKUP_PASSPHRASE"])(
      partsWithout({ dataDir: folder, ...more }, { settings: { file: null, environment } }),
    );

  test("of the data folder", async () => {
    expect((await look()).status).toBe("ok");
    chmodSync(folder, 0o755);
    expect((await look()).status).toBe("warn");
    chmodSync(folder, 0o777);
    expect((await look()).status).toBe("fail");
  });

  test("of the backups' folder", async () => {
    mkdirSync(join(folder, "backups"), { mode: 0o755 });
    chmodSync(join(folder, "backups"), 0o755);
    expect((await look()).detail).toContain("BACKUP_DIR");
  });

  test("of a TLS key and of secrets in files", async () => {
    const key = join(folder, "key.pem");
    writeFileSync(key, "");
    chmodSync(key, 0o640);
    expect((await look({ tlsKeyFile: key })).status).toBe("ok");
    expect((await look({}, { BACKUP_PASSPHRASE_FILE: key })).status).toBe("ok");
    chmodSync(key, 0o644);
    expect((await look({ tlsKeyFile: key })).mend).toContain(`chmod 600 ${key}`);
    expect((await look({}, { BACKUP_PASSPHRASE_FILE: key })).status).toBe("fail");
    expect((await look({ tlsKeyFile: "/nowhere" })).detail).toContain("ENOENT");
  });

  test.skipIf(process.getuid?.() === 0)("of a folder of somebody else's", async () => {
    expect((await look({ dataDir: "/root" })).status).toBe("fail");
  });
});

describe("mail", () => {
  test("that is off is no matter", async () => {
    expect((await checkMail(partsWithout())).status).toBe("skip");
  });

  test("whose server is away", async () => {
    const mail = {
      emailEnabled: true,
      emailProvider: "smtp" as const,
      smtpHost: "127.0.0.1",
      smtpPort: 1,
      smtpPassword: "hidden-word",
    };
    const found = await checkMail(partsWithout({ ...mail, smtpFromEmail: "a@b.org" }));
    expect([found.status, found.detail.includes("hidden-word")]).toEqual(["fail", false]);
    expect(found.detail).toContain("127.0.0.1:1");
  });
});

describe("backups", () => {
  const ago = (days: number) => new Date(Date.now() - days * 86_400_000);
  const newest = (days: number, complete = true) => ({ id: "x", createdAt: ago(days), complete, bytes: 1 });
  const young = 3600;
  const old = 30 * 86_400;

  test.each([
    ["none, and a new server", { newest: null, lastProven: null }, true, young, "warn"],
    ["none, and an old server", { newest: null, lastProven: null }, true, old, "fail"],
    ["none, and none wanted", { newest: null, lastProven: null }, false, old, "warn"],
    ["a fresh one that was proven", { newest: newest(0.5), lastProven: ago(5) }, true, old, "ok"],
    ["a fresh one that nobody proved", { newest: newest(0.5), lastProven: null }, true, old, "warn"],
    ["an old one", { newest: newest(3), lastProven: ago(5) }, true, old, "warn"],
    ["one that is not complete", { newest: newest(0.5, false), lastProven: ago(5) }, true, old, "fail"],
  ])("%s", (_what, status, isScheduled, age, expected) => {
    const verdict = judgeBackups({ count: 1, lastVerified: null, ...status }, isScheduled, age);
    expect(verdict.status as string).toBe(expected);
    expect(verdict.mend === null).toBe(expected === "ok");
  });
});

test.each([
  [3, "3 seconds"],
  [200, "3 minutes"],
  [7300, "2 hours"],
  [200_000, "2 days"],
])("%d seconds are %s", (seconds, words) => {
  expect(longFor(seconds)).toBe(words);
});
