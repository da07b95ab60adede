import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from "bun:test";
import { createHmac } from "node:crypto";
import { tmpdir } from "node:os";
import { KeyNews } from "../../src/accounts/key-news.ts";
import { revokeSigningKeys, rotateSigningKeys } from "../../src/accounts/key-rotation.ts";
import { loadSigningKeys, readKeyAge } from "../../src/accounts/signing-keys.ts";
import { connect, type DatabaseClient, parseDatabaseUrl } from "../../src/database/client.ts";
import { createLog } from "../../src/log.ts";
import { newKey } from "../../src/storage/object-key.ts";
import { program } from "../support/program.ts";
import { startTestServer, type TestServer } from "../support/test-server.ts";
import { instantHasher, login, type Person, refresh, register, statusOf } from "./people.ts";

/** Two servers on one database, and a third that hears nothing. */
let one: TestServer;
let two: TestServer;
let deaf: TestServer;
let pools: DatabaseClient[];
/** Like an administrator at the database's own prompt. */
let admin: DatabaseClient;
beforeAll(async () => {
  one = await startTestServer({}, { listens: true, hasher: instantHasher });
  const another = () => connect(parseDatabaseUrl(one.databaseUrl), 5);
  pools = [another(), another(), another()];
  const [ofTwo, ofDeaf, ours] = pools as [DatabaseClient, DatabaseClient, DatabaseClient];
  two = await startTestServer({}, { listens: true, hasher: instantHasher, database: ofTwo });
  deaf = await startTestServer({}, { hasher: instantHasher, database: ofDeaf });
  admin = ours;
  await untilListening(2);
});
afterAll(async () => {
  await two.stop();
  await deaf.stop();
  for (const pool of pools) await pool.close();
  await one.stop();
});

const keyOptions = { jwtSecret: undefined, accessTokenSeconds: 900 };
const rotate = () => rotateSigningKeys(admin.db, keyOptions);

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  // Less than the minute after which a server that hears nothing looks by itself.
  const deadline = Date.now() + 40_000;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`${what}: not within 40 s`);
    await Bun.sleep(5);
  }
}

async function listeners(): Promise<number[]> {
  const found = await admin.sql`
    SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query ILIKE 'listen%'`;
  return found.map(({ pid }) => pid);
}
const untilListening = (count: number) =>
  until("listening", async () => (await listeners()).length === count);

function keyIdOf(token: string): string {
  return JSON.parse(Buffer.from(token.split(".")[0] ?? "", "base64url").toString()).kid;
}

async function renewed(server: TestServer, person: Person): Promise<Person> {
  const { status, json } = await refresh(server, person.refreshToken, person.deviceId);
  if (status !== 200) throw new Error(`refresh: ${status}`);
  return { ...person, ...json };
}

async function signingKeyId(): Promise<string> {
  return (await loadSigningKeys(admin.db, keyOptions)).current.id;
}

/** Until this server signs with the newest key. */
async function untilLearnt(server: TestServer, person: Person): Promise<Person> {
  const expected = await signingKeyId();
  let latest = person;
  await until("the new key", async () => {
    latest = await renewed(server, latest);
    return keyIdOf(latest.accessToken) === expected;
  });
  return latest;
}

const command = [...program, "rotate-keys"];

function startCommand(...args: string[]) {
  return Bun.spawn([...command, ...args], {
    cwd: tmpdir(),
    env: { PATH: process.env.PATH ?? "", DATABASE_URL: one.databaseUrl, TERM: "xterm" },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
}

async function run(...args: string[]) {
  const child = startCommand(...args);
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  return { code: await child.exited, out, err };
}

describe("rotate-keys", () => {
  test("every server signs with the new key; tokens of before and after are good everywhere", async () => {
    const person = await register(one);
    const before = keyIdOf(person.accessToken);
    const { code, out, err } = await run();
    expect([code, err]).toEqual([0, ""]);
    expect(out).toContain("nobody is signed out");
    const renewedByOne = await untilLearnt(one, person);
    const after = await untilLearnt(two, renewedByOne);
    expect(keyIdOf(after.accessToken)).not.toBe(before);
    for (const server of [one, two, deaf]) {
      expect(await statusOf(server, person)).toBe(200);
      expect(await statusOf(server, after)).toBe(200);
    }
  });

  test("a server that heard nothing takes the new key's first token", async () => {
    const mine = await register(deaf);
    const theirs = await register(two);
    for (let round = 0; round < 5; round++) {
      await rotate();
      const fresh = await untilLearnt(two, theirs);
      expect(await statusOf(deaf, fresh)).toBe(200);
      expect(await statusOf(deaf, mine)).toBe(200);
      Object.assign(theirs, fresh);
    }
  });

  test("the key before verifies for as long as its last token lives, and a margin", async () => {
    await rotate();
    const [row] = await admin.sql`
      SELECT max(extract(epoch FROM retired_at - now()))::float8 AS left FROM signing_keys`;
    expect(row?.left).toBeGreaterThan(900 + 600 - 60);
    expect(row?.left).toBeLessThanOrEqual(900 + 600);
    const [open] = await admin.sql`SELECT count(*) AS keys FROM signing_keys WHERE retired_at IS NULL`;
    expect(open?.keys).toBe(1);
  });

  test("no request fails while keys are rotated ten times", async () => {
    const servers = [one, two, deaf];
    const any = () => servers[Math.floor(Math.random() * servers.length)] as TestServer;
    const watcher = await register(one);
    const people = await Promise.all(Array.from({ length: 4 }, () => register(any())));
    const keyIds = new Set<string>();
    let rotating = true;
    let requests = 0;
    const failures: number[] = [];
    const work = people.map(async (person) => {
      let now = person;
      while (rotating) {
        now = await renewed(any(), now);
        keyIds.add(keyIdOf(now.accessToken));
        for (const server of servers) {
          const status = await statusOf(server, now);
          requests++;
          if (status !== 200) failures.push(status);
        }
      }
    });
    for (let round = 0; round < 10; round++) {
      await rotate();
      Object.assign(watcher, await untilLearnt(one, watcher));
      Object.assign(watcher, await untilLearnt(two, watcher));
    }
    rotating = false;
    await Promise.all(work);
    expect(failures).toEqual([]);
    expect(requests).toBeGreaterThan(20);
    expect(keyIds.size).toBeGreaterThan(2);
  });

  test("a listening connection that was cut off is opened again, and what was missed is read", async () => {
    const person = await register(one);
    for (let round = 0; round < 3; round++) {
      const pids = await listeners();
      expect(pids).toHaveLength(2);
      await admin.sql`SELECT pg_terminate_backend(pid) FROM unnest(${pids}::int[]) pid`;
      await rotate();
      Object.assign(person, await untilLearnt(one, person));
      Object.assign(person, await untilLearnt(two, person));
      await untilListening(2);
    }
  });

  test("keys that ended more than 30 days ago are gone with the next rotation", async () => {
    await admin.sql`
      INSERT INTO signing_keys (id, secret, retired_at) VALUES
        ('old', ${Buffer.alloc(32, 1)}, now() - interval '31 days'),
        ('late', ${Buffer.alloc(32, 2)}, now() - interval '29 days')`;
    await rotate();
    const left = await admin.sql`SELECT id FROM signing_keys WHERE id IN ('old', 'late')`;
    expect(left.map(({ id }) => id)).toEqual(["late"]);
  });

  test("the age of the key that signs", async () => {
    await rotate();
    const age = await readKeyAge(admin.db);
    expect(age).toBeGreaterThanOrEqual(0);
    expect(age).toBeLessThan(60);
    await admin.sql`UPDATE signing_keys SET created_at = now() - interval '90 days' WHERE retired_at IS NULL`;
    expect(Math.round((await readKeyAge(admin.db)) as number)).toBe(90 * 86_400);
  });
});

test("a server starts and runs where it cannot listen", async () => {
  const role = `limited_${crypto.randomUUID().replaceAll("-", "")}`;
  await admin.sql.unsafe(`CREATE ROLE ${role} LOGIN PASSWORD 'x' CONNECTION LIMIT 2`);
  await admin.sql.unsafe(`GRANT ALL ON ALL TABLES IN SCHEMA public TO ${role}`);
  const limited = connect({ ...parseDatabaseUrl(one.databaseUrl), user: role, password: "x" }, 2);
  // Both connections that it may have are taken: there is none left to listen on.
  await Promise.all([limited.sql`SELECT pg_sleep(0.1)`, limited.sql`SELECT pg_sleep(0.1)`]);
  const server = await startTestServer({}, { listens: true, hasher: instantHasher, database: limited });
  const said = () => server.logs.some(({ msg }) => msg?.includes("noticed within a minute"));
  await until("a warning", async () => said());
  const person = await register(one);
  expect(await statusOf(server, person)).toBe(200);
  await rotate();
  expect(await statusOf(server, await untilLearnt(one, person))).toBe(200);
  await server.stop();
  await limited.close();
  await admin.sql.unsafe(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
});

test("a server that hears nothing reads the keys by itself every minute, and sooner after a failure", async () => {
  jest.useFakeTimers();
  try {
    let readings = 0;
    const deafDatabase = { listen: () => Promise.reject(new Error("not here")) };
    const learn = async () => {
      if (++readings === 2) throw new Error("away");
    };
    const news = new KeyNews({
      database: deafDatabase,
      log: createLog({ level: "silent", format: "json" }),
      learn,
    });
    const pass = async (milliseconds: number) => {
      jest.advanceTimersByTime(milliseconds);
      for (let i = 0; i < 20; i++) await Promise.resolve();
      return readings;
    };
    news.start();
    expect([await pass(59_999), await pass(1), await pass(60_000), await pass(1_000)]).toEqual([0, 1, 2, 3]);
    expect([await pass(59_999), await pass(1)]).toEqual([3, 4]);
    news.stop();
    expect(await pass(600_000)).toBe(4);
  } finally {
    jest.useRealTimers();
  }
});

describe("a command that is killed half-way", () => {
  const state = () => admin.sql`
    SELECT (SELECT json_agg(k ORDER BY k.id)::text FROM signing_keys k) AS keys,
      (SELECT json_agg(s)::text FROM server_secrets s) AS secrets,
      (SELECT count(*) FROM devices WHERE session_id IS NOT NULL) AS devices,
      (SELECT count(*) FROM refresh_tokens WHERE revoked_at IS NULL) AS tokens`;
  const waiting = async () => {
    const [row] = await admin.sql`
      SELECT count(*) AS locks FROM pg_stat_activity
      WHERE datname = current_database() AND wait_event_type = 'Lock'`;
    return row?.locks > 0;
  };

  test.each([
    ["before it began", "SELECT pg_advisory_xact_lock(x'6b657973'::int)", []],
    ["at the key that signs", "SELECT FROM signing_keys WHERE retired_at IS NULL FOR UPDATE", []],
    ["at their table", "LOCK TABLE signing_keys IN SHARE MODE", []],
    ["at the links", "SELECT FROM server_secrets FOR UPDATE", ["--revoke-all", "--yes"]],
    ["at the sessions", "LOCK TABLE refresh_tokens IN ROW EXCLUSIVE MODE", ["--revoke-all", "--yes"]],
  ])("%s has changed nothing, and hindered nobody", async (_where, lock, args) => {
    const person = await register(one);
    const held = await pools[1]?.sql.reserve();
    if (!held) throw new Error("no connection");
    await held.unsafe("BEGIN");
    await held.unsafe(lock);
    const before = await state();
    const command = startCommand(...args);
    await until("the command waits", waiting);
    expect(await statusOf(two, person)).toBe(200);
    command.kill("SIGKILL");
    await command.exited;
    expect(await statusOf(deaf, person)).toBe(200);
    await held.unsafe("COMMIT");
    held.release();
    await until("its transaction ended", async () => !(await waiting()) && (await isQuiet()));
    expect(await state()).toEqual(before);
    expect(await statusOf(one, person)).toBe(200);
    await rotate();
    expect(await statusOf(two, await untilLearnt(one, person))).toBe(200);
  });

  /** No transaction but ours is open. */
  async function isQuiet(): Promise<boolean> {
    const [row] = await admin.sql`SELECT count(*) AS open FROM pg_stat_activity
      WHERE datname = current_database() AND xact_start IS NOT NULL AND pid <> pg_backend_pid()`;
    return row?.open === 0;
  }
});

describe("rotate-keys --revoke-all", () => {
  afterEach(async () => {
    await rotate();
  });

  test("ends the keys, the sessions and the links on every running server; passwords stay", async () => {
    const servers = [one, two];
    const people = await Promise.all(servers.map((server) => register(server)));
    const key = newKey("uploads");
    const link = () => one.context.signedUrls.put(key, { mediaType: "image/jpeg", size: 4 });
    const opens = (url: string, server: TestServer) => {
      const { pathname, search } = new URL(url);
      try {
        return (
          server.context.signedUrls.verify("PUT", new URL(`${server.url}${pathname}${search}`)).key === key
        );
      } catch {
        return false;
      }
    };
    const before = link();
    expect(servers.map((server) => opens(before, server))).toEqual([true, true]);
    const { code, out, err } = await run("--revoke-all", "--yes");
    expect([code, err]).toEqual([0, ""]);
    expect(out).toMatch(/Signed out: \d+ devices/);
    for (const person of people) {
      for (const server of [...servers, deaf]) expect(await statusOf(server, person)).toBe(401);
      expect((await refresh(two, person.refreshToken, person.deviceId)).status).toBe(401);
    }
    await until("the links end", async () => servers.every((server) => !opens(before, server)));
    await until("new links work", async () => servers.every((server) => opens(link(), server)));
    const { all } = await loadSigningKeys(admin.db, keyOptions);
    expect(all).toHaveLength(1);
    for (const server of servers) {
      const again = await login(server, people[0] as Person);
      expect(await statusOf(one, again)).toBe(200);
      expect(await statusOf(two, await untilLearnt(server, again))).toBe(200);
    }
  });

  test("a token that the stolen key signs is refused by a server that was told, whatever it says", async () => {
    const person = await untilLearnt(one, await register(one));
    const { current: stolen } = await loadSigningKeys(admin.db, keyOptions);
    // As if the thief knew the session, too: only the key stands between.
    const forge = ({ accessToken }: Person) => {
      const [, claims = ""] = accessToken.split(".");
      const head = Buffer.from(JSON.stringify({ alg: "HS256", kid: stolen.id })).toString("base64url");
      const signature = createHmac("sha256", stolen.secret).update(`${head}.${claims}`).digest("base64url");
      return `${head}.${claims}.${signature}`;
    };
    expect(await statusOf(one, { ...person, accessToken: forge(person) })).toBe(200);
    await revokeSigningKeys(admin.db, keyOptions);
    const back = await untilLearnt(one, await login(one, person, person.deviceId));
    expect(await statusOf(one, back)).toBe(200);
    expect(await statusOf(one, { ...person, accessToken: forge(back) })).toBe(401);
  });

  test("no refresh that was on its way survives it", async () => {
    const people = await Promise.all(Array.from({ length: 4 }, () => register(one)));
    let revoked = false;
    const work = people.map(async (person, index) => {
      const server = index % 2 === 0 ? one : two;
      let token = person.refreshToken;
      for (;;) {
        const wasRevoked = revoked;
        const answer = await refresh(server, token, person.deviceId);
        if (answer.status === 200) token = answer.json.refreshToken;
        if (wasRevoked) return answer.status;
      }
    });
    await Bun.sleep(50);
    await revokeSigningKeys(admin.db, keyOptions);
    revoked = true;
    expect(await Promise.all(work)).toEqual([401, 401, 401, 401]);
    const [row] = await admin.sql`SELECT count(*) AS tokens FROM refresh_tokens WHERE revoked_at IS NULL`;
    expect(row?.tokens).toBe(0);
  });

  test("changes nothing where nobody can be asked, or who is asked says no", async () => {
    const person = await register(one);
    const refused = await run("--revoke-all");
    expect([refused.code, refused.out]).toEqual([1, ""]);
    expect(refused.err).toContain("--yes");
    expect(await answer("n")).toMatchObject({
      code: 1,
      screen: expect.stringContaining("Nothing was changed"),
    });
    expect(await statusOf(one, person)).toBe(200);
    expect(await answer("y")).toMatchObject({ code: 0, screen: expect.stringContaining("Signed out") });
    expect(await statusOf(one, person)).toBe(401);
  });

  /** Runs it at a terminal, and presses a key at the question. */
  async function answer(key: string): Promise<{ code: number; screen: string }> {
    let screen = "";
    let asked = false;
    const child = Bun.spawn([...command, "--revoke-all"], {
      cwd: tmpdir(),
      env: { PATH: process.env.PATH ?? "", DATABASE_URL: one.databaseUrl, TERM: "xterm" },
      terminal: {
        cols: 200,
        data(terminal, data) {
          screen += new TextDecoder().decode(data);
          if (asked || !screen.includes("Sign every device out")) return;
          asked = true;
          terminal.write(key);
        },
      },
    });
    const code = await child.exited;
    await Bun.sleep(50);
    return { code, screen };
  }
});
