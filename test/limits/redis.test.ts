import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import type { Config } from "../../src/config/config.ts";
import { deviceInfo, instantHasher, register } from "../accounts/people.ts";
import { hasRedis, needsRedis, startRedis, type TestRedis } from "../support/redis.ts";
import { startTestServer, type TestServer } from "../support/test-server.ts";
import { limitedServer, perHour } from "./limited-server.ts";

test("there is a Redis to test with, where there has to be one", () => {
  if (needsRedis() && !hasRedis()) throw new Error("there is none: run scripts/ensure-redis.sh");
});

describe.skipIf(!hasRedis())("with Redis", () => {
  let base: TestServer;
  let redis: TestRedis;
  beforeAll(async () => {
    base = await startTestServer({}, { hasher: instantHasher });
    redis = await startRedis();
  });
  afterAll(async () => {
    await redis.kill();
    await base.stop();
  });

  const servers: TestServer[] = [];
  afterEach(async () => {
    for (const server of servers.splice(0)) await server.stop();
    redis.goOn();
    await redis.kill();
    await redis.start();
  });

  /** Waits for what comes by itself. */
  async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
    for (const deadline = Date.now() + 30_000; !(await isSo()); await Bun.sleep(10))
      if (Date.now() > deadline) throw new Error(`never came: ${what}`);
  }
  const isShared = (server: TestServer) => server.context.limits.areShared;
  const shared = (server: TestServer) => until("Redis", () => isShared(server));
  const alone = (server: TestServer) => until("the loss of Redis", () => !isShared(server));

  /** A server that has found its Redis; the request that made it look counts for an address of its own. */
  async function start(settings: Partial<Config>): Promise<TestServer> {
    const server = limitedServer(base, { redisUrl: redis.url, ...settings });
    servers.push(server);
    await ask(server, "192.0.2.200");
    return server;
  }

  const ask = (server: TestServer, address = "198.51.100.7") =>
    server.request("GET", "/nothing", { headers: { "X-Forwarded-For": address } });
  const remaining = async (server: TestServer) => (await ask(server)).headers.get("x-ratelimit-remaining");

  test("two servers count together, for addresses, accounts and emails", async () => {
    const limits = { rateLimitDefault: perHour(4), rateLimitSync: perHour(1), rateLimitAuth: perHour(1000) };
    const [one, other] = [await start(limits), await start(limits)];
    await Promise.all([shared(one), shared(other)]);
    expect([await remaining(one), await remaining(other), await remaining(one)]).toEqual(["3", "2", "1"]);
    expect([(await ask(other)).status, (await ask(other)).status, (await ask(one)).status]).toEqual([
      404, 429, 429,
    ]);
    const { accessToken: token, deviceId } = await register(one);
    expect((await one.request("GET", "/sync/status", { token, deviceId })).status).toBe(200);
    expect((await other.request("GET", "/sync/status", { token, deviceId })).status).toBe(429);
    const guess = (server: TestServer, index: number) => {
      const device = crypto.randomUUID();
      const body = { email: "ada@example.org", password: "a guess", deviceInfo: deviceInfo(device) };
      const headers = { "X-Forwarded-For": `203.0.113.${index}` };
      return server.request("POST", "/auth/login", { body, deviceId: device, headers });
    };
    const statuses = [];
    for (let index = 0; index < 12; index++)
      statuses.push((await guess(index % 2 ? one : other, index)).status);
    expect(statuses).toEqual([...Array(10).fill(401), 429, 429]);
  });

  test("what is kept there ends with its window, and tells of nobody's email", async () => {
    const server = await start({
      globalRateLimitPerMinute: 100,
      rateLimitAuth: { requests: 1000, seconds: 60 },
    });
    await shared(server);
    for (let index = 0; index < 12; index++) {
      const body = {
        email: "ada@example.org",
        password: "a guess",
        deviceInfo: deviceInfo(crypto.randomUUID()),
      };
      await server.request("POST", "/auth/login", { body, deviceId: body.deviceInfo.deviceId });
    }
    const keys = (await redis.run("KEYS", "*")).trim().split("\n");
    const kinds = new Set(keys.map((key) => key.split(":")[1]));
    expect(kinds).toEqual(new Set(["global", "auth", "sign-in", "sign-in-pause", "sign-in-paused"]));
    expect(keys.join()).not.toMatch(/ada|example/);
    for (const key of keys) {
      const seconds = Number(await redis.run("TTL", key));
      expect(seconds).toBeGreaterThan(0);
      expect(seconds).toBeLessThanOrEqual(900);
    }
  });

  test("that dies in the middle: nothing fails, limits hold in memory; that comes back: counted together again", async () => {
    const limits = { rateLimitDefault: perHour(5) };
    const [one, other] = [await start(limits), await start(limits)];
    await Promise.all([shared(one), shared(other)]);
    expect([await remaining(one), await remaining(other)]).toEqual(["4", "3"]);
    const burst = Array.from({ length: 30 }, (_, index) => ask(one, `203.0.113.${index}`));
    await redis.kill();
    for (const { status } of await Promise.all(burst)) expect(status).toBe(404);
    await alone(one);
    const statuses = [];
    for (let time = 0; time < 7; time++) statuses.push((await ask(one)).status);
    expect(statuses).toEqual([404, 404, 404, 404, 404, 429, 429]);
    await redis.start();
    await Promise.all([shared(one), shared(other)]);
    expect([await remaining(one), await remaining(other)]).toEqual(["4", "3"]);
    const told = base.logs.filter(({ msg }) => /Redis/.test(String(msg))).map(({ level }) => level);
    expect(new Set(told)).toEqual(new Set(["info", "warn"]));
    expect(JSON.stringify(base.logs)).not.toContain("198.51.100.7");
  });

  test("that hangs holds up those who are waiting for it, once; the others go on", async () => {
    const server = await start({ rateLimitDefault: perHour(50) });
    await shared(server);
    redis.hang();
    const waiting = await Promise.all(Array.from({ length: 10 }, () => ask(server)));
    expect(waiting.map(({ status }) => status)).toEqual(Array(10).fill(404));
    await alone(server);
    // Were each to wait for it, a thousand would take minutes.
    for (let time = 0; time < 1000; time++) await ask(server, `203.0.113.${time % 250}`);
    expect(isShared(server)).toBe(false);
    redis.goOn();
    await shared(server);
    const answer = await ask(server, "198.51.100.8");
    expect(answer.headers.get("x-ratelimit-remaining")).toBe("49");
    expect(await redis.run("GET", "trailglass:default:198.51.100.8")).toBe("1\n");
  }, 60_000);

  test("that is not there at the start is no reason to wait, and is found when it comes", async () => {
    await redis.kill();
    const server = await start({ rateLimitDefault: perHour(2) });
    expect([(await ask(server)).status, (await ask(server)).status, (await ask(server)).status]).toEqual([
      404, 404, 429,
    ]);
    await redis.start();
    await shared(server);
    expect((await ask(server)).status).toBe(404);
  });

  test("that refuses every command is as good as none", async () => {
    const server = await start({ rateLimitDefault: perHour(2) });
    await shared(server);
    await redis.run("CONFIG", "SET", "maxmemory", "1");
    expect([(await ask(server)).status, (await ask(server)).status, (await ask(server)).status]).toEqual([
      404, 404, 429,
    ]);
  });

  test("that wants a password which nobody gave is as good as none, and no password of ours is in the log", async () => {
    await redis.run("CONFIG", "SET", "requirepass", "sesame");
    const wrong = redis.url.replace("//", "//:canary-password@");
    const server = await start({ rateLimitDefault: perHour(2), redisUrl: wrong });
    expect([(await ask(server)).status, (await ask(server)).status, (await ask(server)).status]).toEqual([
      404, 404, 429,
    ]);
    await until("a line in the log", () => base.logs.some(({ msg }) => /Redis is away/.test(String(msg))));
    expect(JSON.stringify(base.logs)).not.toContain("canary-password");
  });
});
