import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { connect, type DatabaseClient, parseDatabaseUrl } from "../../src/database/client.ts";
import { type Person, register } from "../accounts/people.ts";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";
import { startTestServer, type TestServer } from "../support/test-server.ts";
import { expectError } from "./error-shape.ts";

let postgres: TestPostgres;
let database: DatabaseClient;
let server: TestServer;
let ada: Person;
beforeAll(async () => {
  postgres = await startPostgres();
  database = connect(parseDatabaseUrl(postgres.url), 3);
  server = await startTestServer({}, { database, schema: "migrate" });
  ada = await register(server);
});
afterAll(async () => {
  await server.stop();
  await database.close();
  await postgres.stop();
});

const ask = (method: string, path: string, body?: object) =>
  server.request(method, path, {
    token: ada.accessToken,
    deviceId: ada.deviceId,
    ...(body && { body }),
  });

const status = async (path: string) => {
  const answer = await fetch(`${server.url}${path}`);
  return { status: answer.status, headers: answer.headers, json: await answer.json() };
};

async function until(what: () => Promise<boolean>, seconds: number): Promise<void> {
  const deadline = Date.now() + seconds * 1000;
  while (!(await what())) {
    if (Date.now() > deadline) throw new Error(`not within ${seconds} s`);
    await Bun.sleep(50);
  }
}

const isHealthy = async () => (await status("/health/ready")).status === 200;

function postmaster(): number {
  return Number(readFileSync(join(postgres.socketDir, "data/postmaster.pid"), "utf8").split("\n")[0]);
}

const parentOf = (pid: string) =>
  Number(/\) \w (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, { encoding: "utf8" }))?.[1]);

/** The server process of Postgres and all that it has started. */
function processes(): number[] {
  const server = postmaster();
  const children = readdirSync("/proc").filter((name) => {
    try {
      return /^\d+$/.test(name) && parentOf(name) === server;
    } catch {
      return false; // It ended while the list was read.
    }
  });
  return [server, ...children.map(Number)];
}

async function expectAway(withinMs: number): Promise<void> {
  for (const path of ["/health", "/health/ready", "/api/v1/health"]) {
    const startedAt = performance.now();
    const { status: code, headers, json } = await status(path);
    expect(code).toBe(503);
    expect(performance.now() - startedAt).toBeLessThan(withinMs);
    expect(Number(headers.get("retry-after"))).toBeGreaterThan(0);
    expect(json).toMatchObject({
      status: "unavailable",
      components: { database: { status: "unavailable" } },
    });
  }
  expect((await status("/health/live")).status).toBe(200);
}

describe("while the database is gone", () => {
  test("requests are told to come back, health says so, and all is well by itself afterwards", async () => {
    expect(await isHealthy()).toBe(true);
    process.kill(postmaster(), "SIGQUIT");
    await until(async () => !(await isHealthy()), 5);
    await expectAway(2500);
    const delta = { deviceId: ada.deviceId, lastSyncVersion: 0, localChanges: {} };
    for (const answer of [
      await ask("GET", "/trips"),
      await ask("POST", "/sync/delta", delta),
      await ask("DELETE", "/trips/x"),
      await server.request("POST", "/auth/refresh", { body: { refreshToken: "x" } }),
    ]) {
      expectError(answer, "SERVICE_UNAVAILABLE");
      expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
    }
    expectError(await ask("GET", "/nothing"), "NOT_FOUND");
    await postgres.restart("fast");
    await until(isHealthy, 5);
    expect((await ask("GET", "/trips")).status).toBe(200);
  });

  test("requests that fall into a restart are answered, 200 or 503, and none hangs", async () => {
    const seen = new Set<number>();
    let restarting = true;
    const callers = Array.from({ length: 8 }, async () => {
      while (restarting) seen.add((await ask("GET", "/trips")).status);
    });
    await Bun.sleep(50);
    await postgres.restart("immediate");
    await until(isHealthy, 5);
    restarting = false;
    await Promise.all(callers);
    expect([...seen].sort()).toEqual([200, 503]);
    expect((await ask("GET", "/trips")).status).toBe(200);
  });
});

test("a database that hangs makes health say so in time, and life goes on after it", async () => {
  const frozen = processes();
  for (const pid of frozen) process.kill(pid, "SIGSTOP");
  try {
    await expectAway(3500);
  } finally {
    for (const pid of frozen) process.kill(pid, "SIGCONT");
  }
  await until(isHealthy, 10);
  expect((await ask("GET", "/trips")).status).toBe(200);
});

test("none of it is logged as a defect, and none of it with a value", () => {
  const levels = new Set(server.logs.map(({ level }) => level));
  expect(levels.has("error")).toBe(false);
  expect(levels.has("warn")).toBe(true);
  expect(JSON.stringify(server.logs)).not.toContain(ada.email);
});
