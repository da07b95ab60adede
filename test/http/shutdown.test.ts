import { afterEach, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { Glob } from "bun";
import { listen } from "../../src/http/server.ts";
import { program } from "../support/program.ts";
import { type ServerProcess, startServerProcess } from "../support/server-process.ts";
import { createTestDatabase, type TestDatabase } from "../support/shared-postgres.ts";
import { startTestServer } from "../support/test-server.ts";
import { head, openRaw } from "./raw.ts";

const running: (ServerProcess | TestDatabase)[] = [];
afterEach(async () => {
  for (const one of running.splice(0)) await ("stop" in one ? one.stop() : one.drop());
});

const logging = { LOG_LEVEL: "info", LOG_FORMAT: "json" };

async function start(env: Record<string, string>): Promise<ServerProcess> {
  const server = await startServerProcess({ env: { ...logging, ...env } });
  running.push(server);
  return server;
}

async function startOnOwnDatabase(): Promise<ServerProcess> {
  const database = await createTestDatabase();
  const server = await start({ DATABASE_URL: database.url });
  running.push(database);
  return server;
}

const messages = (server: ServerProcess) =>
  server
    .output()
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line).msg as string);

const registration = JSON.stringify({
  email: "ada@example.org",
  password: "correct horse battery",
  displayName: "Ada",
  deviceInfo: {
    deviceId: "11111111-2222-4333-8444-555555555555",
    deviceName: "Pixel",
    platform: "Android",
    osVersion: "15",
    appVersion: "1",
  },
});

/** Begins a registration whose second half is held back. */
async function begin(server: ServerProcess) {
  const connection = openRaw(server.url);
  const length = { "Content-Length": String(registration.length) };
  connection.write(head("POST", "/api/v1/auth/register", length) + registration.slice(0, 50));
  await Bun.sleep(100);
  return { ...connection, finish: () => connection.write(registration.slice(50)) };
}

async function isRefused(url: string): Promise<boolean> {
  return fetch(`${url}/health/live`).then(
    () => false,
    () => true,
  );
}

describe("told to stop", () => {
  test("it turns newcomers away, finishes what is under way, and stops its database last", async () => {
    const server = await start({ DATABASE_URL: "" });
    const request = await begin(server);
    const stopped = server.kill("SIGTERM");
    await Bun.sleep(300);
    expect(await isRefused(server.url)).toBe(true);
    request.finish();
    const answer = await request.answer();
    expect([answer.status, answer.json?.email]).toEqual([201, "ada@example.org"]);
    await stopped;
    expect(messages(server).slice(-3)).toEqual(["stopping", "request", "stopped"]);
    const locks = [...new Glob("**/postmaster.pid").scanSync({ cwd: server.dataDir })];
    expect(locks).toEqual([]);
    expect(existsSync(server.dataDir)).toBe(true);
  });

  test("it waits ten seconds for what does not finish, and no longer", async () => {
    const server = await startOnOwnDatabase();
    const request = await begin(server);
    const startedAt = performance.now();
    await server.kill("SIGTERM");
    const seconds = (performance.now() - startedAt) / 1000;
    expect(seconds).toBeGreaterThan(9);
    expect(seconds).toBeLessThan(12);
    await request.closed;
    expect(messages(server).at(-1)).toBe("stopped");
  });

  test.each(["SIGTERM", "SIGINT"] as const)(
    "by %s, connections that only idle do not hold it up",
    async (signal) => {
      const server = await startOnOwnDatabase();
      const idle = openRaw(server.url);
      idle.write(head("GET", "/health/live"));
      expect((await idle.answer()).status).toBe(200);
      const startedAt = performance.now();
      await server.kill(signal);
      expect(performance.now() - startedAt).toBeLessThan(3000);
      await idle.closed;
    },
  );
});

test("a taken port is said clearly, with an exit code, and the first server keeps it", async () => {
  const { url, databaseUrl, stop } = await startTestServer();
  try {
    const port = new URL(url).port;
    const env = {
      PATH: process.env.PATH ?? "",
      DATABASE_URL: databaseUrl,
      APP_HOST: "127.0.0.1",
      APP_PORT: port,
    };
    const command = [...program, "serve"];
    const second = Bun.spawn(command, { cwd: tmpdir(), env, stdout: "pipe", stderr: "pipe" });
    expect(await second.exited).toBe(69);
    const error = await second.stderr.text();
    expect(error).toStartWith(`trailglass: Port ${port} on 127.0.0.1 is taken`);
    expect(error).toContain("APP_PORT");
    expect(error).not.toContain("    at ");
    expect((await fetch(`${url}/health`)).status).toBe(200);
  } finally {
    await stop();
  }
});

test("a port that another program holds is taken, too", async () => {
  const other = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => other.once("listening", resolve));
  const { port } = other.address() as { port: number };
  const { config, context, stop } = await startTestServer();
  try {
    const parts = { ...context, config: { ...config, port }, handle: async () => new Response() };
    expect(() => listen(parts)).toThrow(`Port ${port} on 127.0.0.1 is taken`);
  } finally {
    await stop();
    other.close();
  }
});
