import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "drizzle-orm";
import { variables } from "../../src/config/variables.ts";
import { clearLine } from "../../src/doctor/log-excerpt.ts";
import { createRedactor } from "../../src/doctor/redactor.ts";
import { startTestServer, type TestServer } from "../support/test-server.ts";
import { runProgram } from "./patient.ts";
import { readZip } from "./read-zip.ts";

let server: TestServer;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "trailglass-bundle-"));
  server = await startTestServer();
});
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

const canary = (name: string) => `Canary-${name.replaceAll("_", "")}-of-this-test-and-of-no-other-one`;

/** Every secret there is, each with a text of its own. */
const secrets = Object.values(variables)
  .filter(({ secret, names }) => secret && names[0] !== "DATABASE_URL")
  .map(({ names: [name] }) => [name, canary(name)] as const);

const token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl0canary";

/** What the service may have written, with all that nobody should read. */
const journal = [
  {
    level: "info",
    time: "2026-11-22T10:00:00.000Z",
    requestId: "abc",
    method: "GET",
    path: "/api/v1/photos/photo_canary1-2",
    status: 200,
    durationMs: 1.5,
    msg: "request",
    accountId: "canary-account",
  },
  {
    level: "error",
    time: "t",
    msg: "request failed for canary-person@example.org",
    err: {
      type: "Error",
      message: `at 52.520008, 13.404954 with ${token}`,
      stack: "at /home/canaryuser/x.ts:1:2",
    },
  },
  {
    level: "warn",
    msg: "stored canary-holiday.jpg",
    email: "canary-other@example.org",
    token: canary("T"),
    nested: { latitude: 52.520008 },
  },
  {
    level: "info",
    msg: "reset",
    resetLink: "https://trails.example.org/reset-password?token=canary-reset-token",
  },
];
const lines = [
  ...journal.map((line) => JSON.stringify(line)),
  "10:00:00.000 INFO  reset link resetLink=https://x.example/reset-password?token=canary-pretty email=canary-pretty@example.org",
  `a line of systemd's with ${canary("JWT_SECRET")} and latitude=52.52 and https://canary-user:canary-pass@host/`,
];

/** Stands where journalctl does. */
function fakeJournal(): string {
  const bin = mkdtempSync(join(folder, "bin-"));
  writeFileSync(join(bin, "lines"), `${lines.join("\n")}\n`);
  writeFileSync(join(bin, "journalctl"), `#!/bin/sh\nexec cat ${join(bin, "lines")}\n`, { mode: 0o755 });
  return bin;
}

async function fillDatabase(): Promise<void> {
  const { db, registration } = server.context;
  await registration.create({
    email: "canary-row@example.org",
    displayName: "Canary Name",
    password: "canary password 1",
  });
  await db.execute(sql`
    INSERT INTO trips (user_id, id, name, start_date, end_date, server_version, edited_version)
    SELECT id, 'canary-trip', 'Canary Journey', now(), now(), 1, 1 FROM users`);
}

test("a bundle holds what explains a fault, and no secret, person, place or picture", async () => {
  await fillDatabase();
  const path = join(folder, "bundle.zip");
  const withPassword = new URL(server.databaseUrl);
  withPassword.password = canary("DATABASE_URL");
  const env = {
    ...Object.fromEntries(secrets),
    DATABASE_URL: withPassword.href,
    BACKUP_RECIPIENT: "",
    STORAGE_ACCESS_KEY: "canary-access-key",
    CLOUDFLARE_ACCESS_CLIENT_ID: "canary-client-id",
    REDIS_URL: `redis://:${canary("REDIS_URL")}@127.0.0.1:1`,
    SMTP_FROM_EMAIL: "canary-sender@example.org",
    PUBLIC_URL: "http://canary-user:canary-pass@127.0.0.1:1",
    PATH: `${fakeJournal()}:${process.env.PATH}`,
  };
  const { err } = await runProgram(folder, ["doctor", "--bundle", path, "--no-body-test"], env);
  expect(err).toContain(`Wrote ${path}`);
  expect(statSync(path).mode & 0o777).toBe(0o600);

  const files = await readZip(path);
  expect(Object.keys(files).sort()).toEqual(
    ["configuration", "doctor", "row-counts", "schema", "versions"]
      .map((name) => `trailglass/${name}.json`)
      .concat("trailglass/log.txt")
      .sort(),
  );
  const all = Object.values(files).join("\n");
  expect(all).not.toMatch(/canary/i);
  expect(all).not.toMatch(/52\.52|13\.40/);

  const read = (name: string) => JSON.parse(files[`trailglass/${name}.json`] ?? "");
  expect(read("row-counts")).toMatchObject({ users: 1, trips: 1, photos: 0 });
  expect(read("schema").length).toBeGreaterThan(0);
  expect(read("versions")).toMatchObject({ bun: Bun.version, database: expect.stringMatching(/^\d+\./) });
  expect(read("doctor").findings.length).toBeGreaterThan(10);
  const settings = read("configuration") as { name: string; value: string | null; source: string }[];
  for (const [name] of secrets)
    expect(settings.find((setting) => setting.name === name)).toMatchObject({
      value: "(set)",
      source: "environment",
    });
  expect(settings.find(({ name }) => name === "DATABASE_URL")?.value).toBe("(set)");
  const log = files["trailglass/log.txt"] ?? "";
  expect(log.trim().split("\n")).toHaveLength(lines.length);
  expect(log).toContain('"path":"/api/v1/photos/:id"');
  expect(log).toContain("request failed for [email]");
});

describe("the redactor", () => {
  const redact = createRedactor({
    environment: {
      JWT_SECRET: "pa/ss word with 32 characters in it",
      DATABASE_URL: "postgres://u:p%40ss-word@h/d",
    },
    readFile: () => "",
    defaultDataDir: "",
  });

  test.each([
    ["pa/ss word with 32 characters in it!", "[secret]!"],
    ["x=pa%2Fss%20word%20with%2032%20characters%20in%20it", "x=[secret]"],
    ["the password p@ss-word", "the password [secret]"],
    ["mail to ada.lovelace+x@example.org now", "mail to [email] now"],
    ["at 48.858370,2.294481", "at [number],[number]"],
    ["in 12.5 ms", "in 12.5 ms"],
    ["IMG_2031.HEIC is gone", "[picture] is gone"],
    ["photo 0f8fad5b-d9cb-469f-a165-70867728950e", "photo 0f8fad5b-d9cb-469f-a165-70867728950e"],
    ["key 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b", "key [token]"],
  ])("%s", (text, cleared) => {
    expect(redact(text)).toBe(cleared);
  });

  test("lets no field through that it does not know", () => {
    expect(clearLine('{"level":"info","msg":"x","friend":"Bob"}', redact)).toBe('{"level":"info","msg":"x"}');
    expect(clearLine("[1,2]", redact)).toBe("[1,2]");
  });
});
