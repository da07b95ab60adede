import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { KeyRing } from "../../src/accounts/key-ring.ts";
import { loadSigningKeys } from "../../src/accounts/signing-keys.ts";
import { startTestServer, type TestServer } from "../support/test-server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.stop());
beforeEach(async () => {
  await server.context.db.execute(sql`DELETE FROM signing_keys`);
});

const secret = "a configured secret of 32 letters";
const load = (jwtSecret?: string) => loadSigningKeys(server.context.db, jwtSecret);

describe("loadSigningKeys", () => {
  test("ten servers that start at once make one key", async () => {
    const loaded = await Promise.all(Array.from({ length: 10 }, () => load()));
    expect(new Set(loaded.map(({ current }) => current.id)).size).toBe(1);
    expect(loaded[0]?.all).toHaveLength(1);
    expect(loaded[0]?.current.secret).toHaveLength(32);
  });

  test("signs with the newest key that is not retired; retired ones are gone", async () => {
    const first = (await load()).current;
    await server.context.db.execute(sql`
      INSERT INTO signing_keys (id, secret, created_at) VALUES ('newer', ${Buffer.alloc(32, 7)}, now() + interval '1 hour')`);
    expect((await load()).current.id).toBe("newer");
    expect((await load()).all.map(({ id }) => id)).toEqual(["newer", first.id]);
    await server.context.db.execute(sql`UPDATE signing_keys SET retired_at = now() WHERE id = 'newer'`);
    expect((await load()).all.map(({ id }) => id)).toEqual([first.id]);
  });

  test("JWT_SECRET signs under an id of its own, beside the keys that were there", async () => {
    const made = (await load()).current;
    const { current, all } = await load(secret);
    expect(current.id).toMatch(/^env-[0-9a-f]{16}$/);
    expect(Buffer.from(current.secret).toString()).toBe(secret);
    expect(all.map(({ id }) => id).sort()).toEqual([current.id, made.id].sort());
    expect((await load(secret)).all).toHaveLength(2);
    expect((await load(`${secret}!`)).current.id).not.toBe(current.id);
  });

  test("a retired JWT_SECRET signs nothing any more", async () => {
    const { id } = (await load(secret)).current;
    await server.context.db.execute(sql`UPDATE signing_keys SET retired_at = now()`);
    const after = await load(secret);
    expect(after.all).toHaveLength(1);
    expect(after.current.id).not.toBe(id);
  });
});

describe("KeyRing", () => {
  const inAnHour = Math.floor(Date.now() / 1000) + 3600;
  let clock = 0;
  let readings = 0;
  const ring = (change: Partial<ConstructorParameters<typeof KeyRing>[0]> = {}) =>
    new KeyRing({
      load: () => {
        readings++;
        return load();
      },
      issuer: "me",
      audience: "you",
      now: () => clock,
      ...change,
    });
  beforeEach(() => {
    clock = 0;
    readings = 0;
  });

  test("knows its own tokens, and those of another server on the same database", async () => {
    const token = await ring().sign({ sub: "x" }, inAnHour);
    expect(await ring().verify(token)).toMatchObject({ sub: "x", iss: "me", aud: "you" });
  });

  test.each([
    ["another issuer", { issuer: "them" }],
    ["another audience", { audience: "them" }],
  ])("refuses a token of %s", async (_what, change) => {
    expect(await ring(change).verify(await ring().sign({ sub: "x" }, inAnHour))).toBeUndefined();
  });

  test("refuses an expired token, and one that never expires", async () => {
    expect(await ring().verify(await ring().sign({}, Math.floor(Date.now() / 1000) - 1))).toBeUndefined();
    expect(await ring().verify(await ring().sign({}, undefined as never))).toBeUndefined();
  });

  test("learns of a key that another server made, once every few seconds at most", async () => {
    const mine = ring();
    await mine.sign({}, inAnHour);
    await server.context.db.execute(sql`
      INSERT INTO signing_keys (id, secret, created_at) VALUES ('newer', ${Buffer.alloc(32, 7)}, now() + interval '1 hour')`);
    const token = await ring().sign({ sub: "x" }, inAnHour);
    readings = 0;
    clock = 2_999;
    expect(await mine.verify(token)).toBeUndefined();
    expect(readings).toBe(0);
    clock = 3_000;
    const checks = await Promise.all(Array.from({ length: 10 }, () => mine.verify(token)));
    expect(checks.every((claims) => claims?.sub === "x")).toBe(true);
    expect(readings).toBe(1);
    const unknown = `${Buffer.from('{"kid":"none"}').toString("base64url")}.e30.x`;
    for (let i = 0; i < 20; i++) await mine.verify(unknown);
    expect(readings).toBe(1);
  });

  test("lets go of a retired key within a minute", async () => {
    const mine = ring();
    const token = await mine.sign({ sub: "x" }, inAnHour);
    await server.context.db.execute(sql`UPDATE signing_keys SET retired_at = now()`);
    clock = 59_999;
    expect(await mine.verify(token)).toBeDefined();
    clock = 60_000;
    expect(await mine.verify(token)).toBeUndefined();
  });

  test("recovers when the keys could not be read", async () => {
    let fail = true;
    const mine = ring({ load: () => (fail ? Promise.reject(new Error("away")) : load()) });
    await expect(mine.sign({}, inAnHour)).rejects.toThrow("away");
    fail = false;
    expect(await mine.sign({}, inAnHour)).toBeString();
  });
});
