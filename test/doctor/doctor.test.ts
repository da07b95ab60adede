import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ServerProcess, startServerProcess } from "../support/server-process.ts";
import { startTestServer, type TestServer } from "../support/test-server.ts";
import { runProgram } from "./patient.ts";

const names = [
  "configuration",
  "server",
  "database",
  "schema",
  "storage",
  "disk",
  "permissions",
  "clock",
  "mail",
  "access",
  "public-address",
  "body-limit",
  "certificate",
  "plain-http",
  "accounts",
  "signing-keys",
  "conflicts",
  "jobs",
  "backups",
];

interface Line {
  readonly name: string;
  readonly status: string;
  readonly detail: string;
  readonly mend: string | null;
}

let server: TestServer;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "trailglass-doctor-"));
  server = await startTestServer();
});
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function diagnose(env: Record<string, string>, args: string[] = []) {
  // Nobody listens on port 1, whatever else runs on this machine.
  const { code, out, err } = await runProgram(folder, ["doctor", "--json", ...args], {
    APP_PORT: "1",
    ...env,
  });
  const report = JSON.parse(out) as { version: string; at: string; status: string; findings: Line[] };
  const find = (name: string) => report.findings.find((finding) => finding.name === name);
  return { code, err, report, find };
}

test("the JSON has a line for every check, and a mend where one is needed", async () => {
  const { code, report, find } = await diagnose({ DATABASE_URL: server.databaseUrl });
  expect(report.findings.map(({ name }) => name)).toEqual(names);
  expect(Object.keys(report)).toEqual(["version", "at", "status", "findings"]);
  for (const finding of report.findings) {
    expect(Object.keys(finding)).toEqual(["name", "status", "detail", "mend"]);
    expect(finding.mend !== null).toBe(["warn", "fail"].includes(finding.status));
  }
  expect(find("database")?.detail).toStartWith("Postgres ");
  expect(find("server")?.status).toBe("warn");
  expect([report.status, code]).toEqual(["warn", 0]);
});

test("lines for people are plain ASCII where no terminal reads them", async () => {
  const { code, out, err } = await runProgram(folder, ["doctor"], {
    APP_PORT: "1",
    DATABASE_URL: server.databaseUrl,
  });
  expect([code, err]).toEqual([0, ""]);
  expect(out).toMatch(/^[\x20-\x7e\n]+$/);
  expect(out).toMatch(/^(ok|warn) +database {8}Postgres/m);
  expect(out).toMatch(/^warn {2}server .*\n {8}-> Start it/m);
});

test("a database that is away is one failure, and what needs it is skipped", async () => {
  const { code, err, find } = await diagnose({ DATABASE_URL: "postgres://ada:s3cret-word@127.0.0.1:1/x" });
  expect([code, err]).toEqual([1, "trailglass: 1 check failed.\n"]);
  expect(find("database")?.detail).toContain("No database answers at 127.0.0.1:1");
  for (const name of ["schema", "storage", "accounts", "signing-keys", "conflicts", "jobs"])
    expect(find(name)?.status).toBe("skip");
});

test("a configuration that is no good is told whole, and nothing else is tried", async () => {
  const env = { APP_PORT: "x", REGISTRATION: "friends", JWT_SECRET: "short-one" };
  const { code, report, find } = await diagnose(env);
  expect(code).toBe(1);
  expect(find("configuration")?.detail).toMatch(/APP_PORT .*; JWT_SECRET .*; REGISTRATION /);
  expect(JSON.stringify(report)).not.toContain("short-one");
  expect(report.findings.map(({ name }) => name)).toEqual(names);
  const unread = await diagnose({}, ["--config", "/nowhere/x.env"]);
  expect(unread.find("configuration")?.detail).toContain("/nowhere/x.env cannot be read");
});

test("where no server ever ran, none is made", async () => {
  const dataDir = join(folder, "never");
  const { code, find } = await diagnose({ DATA_DIR: dataDir });
  expect([code, find("database")?.status]).toEqual([0, "warn"]);
  expect(existsSync(dataDir)).toBe(false);
});

test("an env file that everybody can read", async () => {
  const file = join(folder, "open.env");
  writeFileSync(file, `DATABASE_URL=${server.databaseUrl}\n`);
  chmodSync(file, 0o644);
  const { code, find } = await diagnose({}, ["--config", file]);
  expect([code, find("configuration")?.mend]).toEqual([1, `Run: chmod 600 ${file}`]);
});

describe("beside a server with the embedded database", () => {
  let running: ServerProcess;
  beforeAll(async () => {
    running = await startServerProcess({ env: { DATABASE_URL: "" } });
  });
  afterAll(() => running.stop());

  const env = () => ({
    DATA_DIR: running.dataDir,
    APP_PORT: new URL(running.url).port,
    ALLOW_PLAIN_HTTP: "true",
  });

  test("joins it while it runs, and starts the database while it does not", async () => {
    const beside = await diagnose({ ...env(), PUBLIC_URL: running.url });
    expect(beside.find("server")?.status).toBe("ok");
    expect(beside.find("database")?.detail).toContain("run by the server beside");
    expect(beside.find("public-address")?.detail).toContain("PUBLIC_URL is http://");
    expect(beside.find("body-limit")?.status).toBe("ok");

    await running.kill("SIGTERM");
    const alone = await diagnose({ ...env(), PUBLIC_URL: running.url });
    expect(alone.find("server")?.status).toBe("warn");
    expect(alone.find("database")?.detail).toContain("started for this check");
    expect(alone.find("public-address")?.status).toBe("fail");
    expect(alone.code).toBe(1);

    await running.restart();
    expect((await fetch(`${running.url}/health/ready`)).status).toBe(200);
  });
});

test("a bundle is not written over another file", async () => {
  const path = join(folder, "taken.zip");
  mkdirSync(join(folder, "empty"));
  writeFileSync(path, "mine");
  const { code, err } = await runProgram(folder, ["doctor", "--bundle", path]);
  expect([code, err]).toEqual([1, expect.stringContaining("there is a file of that name")]);
  expect(await Bun.file(path).text()).toBe("mine");
});
