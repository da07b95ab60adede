import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import type { Config } from "../../src/config/config.ts";
import {
  deviceInfo,
  instantHasher,
  login,
  type Person,
  register,
  sendLogin,
  sendRegister,
} from "../accounts/people.ts";
import { expectError } from "../http/error-shape.ts";
import { openRaw } from "../http/raw.ts";
import {
  type Answer,
  type RequestOptions,
  startTestServer,
  type TestServer,
} from "../support/test-server.ts";
import { limitedServer, perHour } from "./limited-server.ts";

let hashed = 0;
const countingHasher = {
  ...instantHasher,
  verify(password: string, hash: string) {
    hashed++;
    return instantHasher.verify(password, hash);
  },
};

const base = await startTestServer({}, { hasher: countingHasher });
afterAll(() => base.stop());
const servers: TestServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
});

function start(limits: Partial<Config>): TestServer {
  const server = limitedServer(base, limits);
  servers.push(server);
  return server;
}

const from = (address: string) => ({ "X-Forwarded-For": address });
const as = ({ accessToken: token, deviceId }: Person, more: RequestOptions = {}) => ({
  token,
  deviceId,
  ...more,
});
const told = ({ headers }: Answer) =>
  ["x-ratelimit-limit", "x-ratelimit-remaining"].map(
    (name) => headers.get(name) && Number(headers.get(name)),
  );

/** Checks all that a refusal has to say, and when it ends. */
function expectTooMany(answer: Answer, limit: number, longest = 3600): void {
  expectError(answer, "RATE_LIMIT_EXCEEDED");
  expect(answer.json.details).toBeNull();
  expect(told(answer)).toEqual([limit, 0]);
  const wait = answer.headers.get("retry-after") ?? "";
  expect(wait).toMatch(/^[1-9]\d*$/);
  expect(Number(wait)).toBeLessThanOrEqual(longest);
  const reset = Number(answer.headers.get("x-ratelimit-reset"));
  const inSeconds = reset - Date.now() / 1000;
  expect(inSeconds).toBeGreaterThan(0);
  expect(Math.abs(inSeconds - Number(wait))).toBeLessThan(10);
}

async function statuses(times: number, ask: () => Promise<Answer>): Promise<number[]> {
  const all: number[] = [];
  for (let time = 0; time < times; time++) all.push((await ask()).status);
  return all;
}

describe("signing in, up and in again", () => {
  test("is limited for each address, before a password is hashed", async () => {
    const server = start({ rateLimitAuth: perHour(3) });
    const guess = (address: string) =>
      server.request("POST", "/auth/login", {
        body: { email: "ada@example.org", password: "wrong", deviceInfo: deviceInfo(crypto.randomUUID()) },
        headers: from(address),
      });
    hashed = 0;
    const wrongDevice = await guess("198.51.100.1");
    expect(wrongDevice.status).toBe(400);
    expect(told(wrongDevice)).toEqual([3, 2]);
    await sendRegister(server);
    expect(await statuses(2, () => sendLogin(server, { email: "a@b.c", password: "wrong" }))).toEqual([
      401, 401,
    ]);
    expect(hashed).toBe(2);
    const refused = await sendLogin(server, { email: "a@b.c", password: "wrong" });
    expectTooMany(refused, 3);
    expect((await sendRegister(server)).status).toBe(429);
    expect((await server.request("POST", "/auth/reset-password-request", { body: {} })).status).toBe(429);
    expect(hashed).toBe(2);
    expect(await statuses(3, () => guess("198.51.100.1"))).toEqual([400, 400, 429]);
  });

  test("under other spellings of the path, too", async () => {
    const server = start({ rateLimitAuth: perHour(1) });
    await server.request("POST", "/auth/login", { body: {} });
    for (const path of ["/auth/login/", "/auth/login?x=1", "/auth/refresh/"]) {
      expect((await server.request("POST", path, { body: {} })).status).toBe(429);
    }
    // What the router does not know as that path leads nowhere.
    for (const path of ["//auth/login", "/auth//login", "/auth%2Flogin", "/%61uth/login", "/AUTH/login"]) {
      expect((await server.request("POST", path, { body: {} })).status).toBe(404);
    }
  });

  test("signing out is no sign-in", async () => {
    const server = start({ rateLimitAuth: perHour(1), rateLimitDefault: perHour(50) });
    const ada = await register(server);
    const answer = await server.request(
      "POST",
      "/auth/logout",
      as(ada, { body: { deviceId: ada.deviceId } }),
    );
    expect(answer.status).toBe(204);
    expect(told(answer)).toEqual([50, 49]);
  });

  test("a refresh with a token that is somebody's counts for them, and not for their household", async () => {
    const server = start({ rateLimitAuth: perHour(4) });
    const [ada, ben] = [await register(server), await register(server)];
    const refresh = async (person: { refreshToken: string; deviceId: string }) =>
      server.request("POST", "/auth/refresh", {
        deviceId: person.deviceId,
        body: { refreshToken: person.refreshToken },
      });
    let token = ada.refreshToken;
    for (let left = 3; left >= 0; left--) {
      const answer = await refresh({ refreshToken: token, deviceId: ada.deviceId });
      expect(answer.status).toBe(200);
      expect(told(answer)).toEqual([4, left]);
      token = answer.json.refreshToken;
    }
    expectTooMany(await refresh({ refreshToken: token, deviceId: ada.deviceId }), 4);
    expect((await refresh(ben)).status).toBe(200);
    // The refused token was not used up, and made-up ones still count for the address.
    const rows = await server.context.db.execute(sql`
      SELECT count(*)::int AS used FROM refresh_tokens WHERE used_at IS NOT NULL AND user_id = ${ada.userId}`);
    expect([...rows]).toEqual([{ used: 4 }]);
    const made = { refreshToken: "made up", deviceId: ada.deviceId };
    expect(await statuses(3, () => refresh(made))).toEqual([401, 401, 429]);
  });

  test("a refresh on a device that was signed out counts for its address: its owner's other devices go on", async () => {
    const server = start({ rateLimitAuth: perHour(4) });
    const ada = await register(server);
    const stolen = await login(server, ada);
    const refresh = ({ refreshToken, deviceId }: Person) =>
      server.request("POST", "/auth/refresh", {
        deviceId,
        body: { refreshToken },
        headers: { "X-Forwarded-For": deviceId === stolen.deviceId ? "203.0.113.9" : "192.0.2.7" },
      });
    await server.context.sessions.end(ada.userId, stolen.deviceId);
    expect(await statuses(6, () => refresh(stolen))).toEqual([401, 401, 401, 401, 429, 429]);
    expect((await refresh(ada)).status).toBe(200);
  });

  test("a password that is asked for again is as good to guess at", async () => {
    const server = start({ rateLimitAuth: perHour(3), rateLimitDefault: perHour(50) });
    const ada = await register(server);
    const change = () =>
      server.request(
        "PUT",
        "/user/password",
        as(ada, { body: { currentPassword: "x", newPassword: "another good one" } }),
      );
    const erase = () => server.request("DELETE", "/user", as(ada, { body: { password: "x" } }));
    hashed = 0;
    expect([(await change()).status, (await erase()).status, (await change()).status]).toEqual([
      403, 403, 403,
    ]);
    expectTooMany(await change(), 3);
    expect((await erase()).status).toBe(429);
    expect(hashed).toBe(3);
  });
});

describe("an account", () => {
  test("has limits of its own for syncing, points, pictures and the rest, whatever others do at its address", async () => {
    const server = start({
      rateLimitSync: perHour(1),
      rateLimitLocationBatch: perHour(2),
      rateLimitPhotoUpload: perHour(3),
      rateLimitDefault: perHour(4),
    });
    const [ada, ben] = [await register(server), await register(server)];
    for (const person of [ada, ben]) {
      const ask = (method: string, path: string) => () =>
        server.request(method, path, as(person, { body: method === "GET" ? undefined : "no json" }));
      expect(await statuses(2, ask("GET", "/sync/status"))).toEqual([200, 429]);
      expectTooMany(await ask("POST", "/sync/delta")(), 1);
      expect(await statuses(3, ask("POST", "/locations/batch"))).toEqual([400, 400, 429]);
      expect(await statuses(2, ask("POST", "/photos"))).toEqual([400, 400]);
      expect(await statuses(2, ask("POST", "/photos/upload"))).toEqual([415, 429]);
      expect(await statuses(5, ask("GET", "/trips"))).toEqual([200, 200, 200, 200, 429]);
      expectTooMany(await ask("POST", "/photos/x/confirm")(), 4);
    }
  });

  test("is counted on all its devices and from all addresses", async () => {
    const server = start({ rateLimitDefault: perHour(2) });
    const ada = await register(server);
    const ask = (address: string) => server.request("GET", "/trips", as(ada, { headers: from(address) }));
    expect([(await ask("198.51.100.1")).status, (await ask("198.51.100.2")).status]).toEqual([200, 200]);
    expectTooMany(await ask("198.51.100.3"), 2);
  });

  test("is refused before its body has arrived", async () => {
    const server = start({ rateLimitSync: perHour(1) });
    const ada = await register(server);
    await server.request("GET", "/sync/status", as(ada));
    const connection = openRaw(server.url);
    connection.write(
      `POST /api/v1/sync/delta HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n` +
        `X-Device-ID: ${ada.deviceId}\r\nX-App-Version: 1\r\nAuthorization: Bearer ${ada.accessToken}\r\n\r\n`,
    );
    expect((await connection.answer()).status).toBe(429);
    connection.socket.destroy();
  });
});

describe("whoever is not signed in", () => {
  test("counts by address, for whatever is not there as well", async () => {
    const server = start({ rateLimitDefault: perHour(3) });
    const away = await server.request("GET", "/nothing");
    expectError(away, "NOT_FOUND");
    expect(told(away)).toEqual([3, 2]);
    expectError(await server.request("PATCH", "/trips"), "METHOD_NOT_ALLOWED");
    expect(
      (await fetch(`${server.url}/nothing/at/all`, { method: "HEAD" })).headers.get("x-ratelimit-remaining"),
    ).toBe("0");
    expectTooMany(await server.request("GET", "/nothing"), 3);
    const head = await fetch(`${server.url}/nothing`, { method: "HEAD" });
    expect([head.status, head.headers.get("x-ratelimit-remaining")]).toEqual([429, "0"]);
    expect((await server.request("GET", "/nothing", { headers: from("198.51.100.1") })).status).toBe(404);
  });

  test("is refused with whatever token, before the database is asked about it", async () => {
    const server = start({ rateLimitDefault: perHour(3) });
    const ada = await register(server);
    await server.context.sessions.end(ada.userId, ada.deviceId);
    const ask = () => server.request("GET", "/trips", as(ada));
    expect(await statuses(3, ask)).toEqual([401, 401, 401]);
    await server.context.db.execute(sql`ALTER TABLE devices RENAME TO devices_away`);
    try {
      expectTooMany(await ask(), 3);
      expect((await server.request("GET", "/trips", as(ada, { headers: from("198.51.100.1") }))).status).toBe(
        500,
      );
    } finally {
      await server.context.db.execute(sql`ALTER TABLE devices_away RENAME TO devices`);
    }
  });

  test("many at once are not let through before the first is counted", async () => {
    const server = start({ rateLimitDefault: perHour(5) });
    const ask = () => server.request("GET", "/trips", { token: "made up" });
    const answers = await Promise.all(Array.from({ length: 20 }, ask));
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(5);
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(15);
  });

  test("plain HTTP is refused with the same headers", async () => {
    const server = start({ rateLimitDefault: perHour(1), allowPlainHttp: false });
    const refused = await server.request("GET", "/trips");
    expectError(refused, "HTTPS_REQUIRED");
    expect(told(refused)).toEqual([1, 0]);
    expectTooMany(await server.request("GET", "/trips"), 1);
  });
});

describe("an address", () => {
  test("has a limit for everything together, and hears of the tighter one", async () => {
    const server = start({ globalRateLimitPerMinute: 5, rateLimitDefault: perHour(3) });
    const ada = await register(server);
    const first = await server.request("GET", "/trips", as(ada));
    expect(told(first)).toEqual([3, 2]);
    await server.request("GET", "/trips", as(ada));
    expect(told(await server.request("GET", "/trips", as(ada)))).toEqual([3, 0]);
    // The account's own lasts longer.
    const refused = await server.request("GET", "/trips", as(ada));
    expectTooMany(refused, 3);
    expectTooMany(await server.request("GET", "/sync/status", as(ada)), 5, 60);
    const elsewhere = await server.request("GET", "/sync/status", as(ada, { headers: from("198.51.100.9") }));
    expect(elsewhere.status).toBe(200);
    expect(told(elsewhere)).toEqual([5, 4]);
  });

  test("is what a trusted proxy saw, however much a client makes up", async () => {
    const server = start({ rateLimitDefault: perHour(2) });
    const ask = (index: number) =>
      server.request("GET", "/nothing", {
        headers: {
          "X-Forwarded-For": `10.0.${index}.1, 203.0.113.${index}, 198.51.100.7:${1000 + index}`,
          "CF-Connecting-IP": `203.0.113.${index}`,
          "True-Client-IP": `203.0.113.${index}`,
          "X-Real-IP": `203.0.113.${index}`,
          Forwarded: `for=203.0.113.${index}`,
        },
      });
    const answers = [];
    for (let index = 1; index <= 5; index++) answers.push((await ask(index)).status);
    expect(answers).toEqual([404, 404, 429, 429, 429]);
    expect(server.context.limits.groups.default?.size).toBe(1);
  });

  test("is the socket's where no proxy is trusted", async () => {
    const server = start({ rateLimitDefault: perHour(2), trustedProxies: [] });
    const ask = (last: number) => server.request("GET", "/nothing", { headers: from(`203.0.113.${last}`) });
    expect([(await ask(1)).status, (await ask(2)).status, (await ask(3)).status]).toEqual([404, 404, 429]);
  });

  test("of IPv6 is a household's whole network", async () => {
    const server = start({ rateLimitDefault: perHour(2) });
    const ask = async (address: string) =>
      (await server.request("GET", "/nothing", { headers: from(address) })).status;
    expect(await ask("2001:db8:1:2::1")).toBe(404);
    expect(await ask("[2001:0DB8:1:2:ffff::9]:443")).toBe(404);
    expect(await ask("2001:db8:1:2:a:b:c:d")).toBe(429);
    expect(await ask("2001:db8:1:3::1")).toBe(404);
  });
});

describe("what has to come through", () => {
  test("probes of who stands beside the server; the world's count", async () => {
    const server = start({ globalRateLimitPerMinute: 2, rateLimitDefault: perHour(2) });
    const probe = (headers = {}) => fetch(`${server.url}/health/live`, { headers });
    for (let time = 0; time < 5; time++) {
      const answer = await probe();
      expect([answer.status, answer.headers.get("x-ratelimit-limit")]).toEqual([200, null]);
    }
    const world = [
      await probe(from("198.51.100.1")),
      await probe(from("198.51.100.1")),
      await probe(from("198.51.100.1")),
    ];
    expect(world.map(({ status }) => status)).toEqual([200, 200, 429]);
    expect((await fetch(`${server.url}/healthy`)).headers.get("x-ratelimit-limit")).toBe("2");
  });

  test("a page of thumbnails, by links that are counted apart: ten for each other request", async () => {
    const server = start({ globalRateLimitPerMinute: 3, rateLimitDefault: perHour(3) });
    const link = () => fetch(`${server.url}/storage/thumbnails/made-up?signature=none`);
    const answers = await Promise.all(Array.from({ length: 31 }, link));
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused).toHaveLength(1);
    expect(refused[0]?.headers.get("x-ratelimit-limit")).toBe("30");
    expect((await server.request("GET", "/nothing")).status).toBe(404);
  });

  test("everything, where limits are off: nothing is counted, and nothing said", async () => {
    const server = start({});
    const ada = await register(server);
    expect(await statuses(150, () => server.request("GET", "/nothing"))).not.toContain(429);
    const answer = await server.request("GET", "/trips", as(ada));
    expect([...answer.headers.keys()].filter((name) => name.includes("ratelimit"))).toEqual([]);
  });
});
