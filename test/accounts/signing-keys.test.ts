import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { KeyRing } from "../../src/accounts/key-ring.ts";
import { revokeSigningKeys, rotateSigningKeys } from "../../src/accounts/key-rotation.ts";
import { loadSigningKeys } from "../../src/accounts/signing-keys.ts";
import type { Database } from "../../src/database/client.ts";
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
const load = (jwtSecret?: string) =>
  loadSigningKeys(server.context.db, { jwtSecret, accessTokenSeconds: 900 });

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

describe("JWT_SECRET", () => {
  let db: Database;
  beforeAll(() => {
    db = server.context.db;
  });
  const rotate = (jwtSecret?: string) => rotateSigningKeys(db, { jwtSecret, accessTokenSeconds: 900 });

  test("that was rotated out signs no more, however long ago that was", async () => {
    const { id } = (await load(secret)).current;
    await rotate(secret);
    const { current, all } = await load(secret);
    expect(current.id).not.toBe(id);
    expect(all.map((key) => key.id)).toEqual([current.id, id]);
    await db.execute(sql`UPDATE signing_keys SET retired_at = now() - interval '31 days' WHERE id = ${id}`);
    await rotate(secret);
    const later = await load(secret);
    expect(later.all.map((key) => key.id)).not.toContain(id);
    const [row] = await db.execute<{ secret: Uint8Array }>(
      sql`SELECT secret FROM signing_keys WHERE id = ${id}`,
    );
    expect(Buffer.from(row?.secret ?? []).toString()).not.toBe(secret);
  });

  test("that no server had seen before the rotation is rotated out with the others", async () => {
    await rotate(secret);
    expect((await load(secret)).current.id).not.toStartWith("env-");
    await server.context.db.execute(sql`DELETE FROM signing_keys`);
    await revokeSigningKeys(db, { jwtSecret: secret, accessTokenSeconds: 900 });
    const { current, all } = await load(secret);
    expect(all).toEqual([current]);
    expect(current.id).not.toStartWith("env-");
  });

  test("that changes takes over; the one before goes on until its tokens have run out, and stays ended", async () => {
    const first = (await load(secret)).current;
    const second = (await load(`${secret}!`)).current;
    expect(second.id).not.toBe(first.id);
    // A server that still has the former one in its environment signs with the latter, too.
    const { current, all } = await load(secret);
    expect([current.id, ...all.map(({ id }) => id)]).toEqual([second.id, second.id, first.id]);
    const [row] = await db.execute<{ left: number }>(sql`
      SELECT extract(epoch FROM retired_at - now())::float8 AS left FROM signing_keys WHERE id = ${first.id}`);
    expect(row?.left).toBeGreaterThan(1_400);
    expect(row?.left).toBeLessThanOrEqual(1_500);
  });

  test("of another server does not wait for whoever changes the keys", async () => {
    await load(secret);
    await db.transaction(async (tx) => {
      await tx.execute(sql`SELECT pg_advisory_xact_lock(${0x6b657973})`);
      expect((await load(secret)).all).toHaveLength(1);
    });
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

  const newKey = () =>
    server.context.db.execute(sql`
      INSERT INTO signing_keys (id, secret, created_at) VALUES ('newer', ${Buffer.alloc(32, 7)}, now() + interval '1 hour')`);
  const madeUp = () => {
    const header = JSON.stringify({ kid: crypto.randomUUID() });
    return `${Buffer.from(header).toString("base64url")}.e30.x`;
  };

  test("takes a token of a key that another server made a moment ago", async () => {
    const mine = ring();
    await mine.sign({}, inAnHour);
    await newKey();
    const token = await ring().sign({ sub: "x" }, inAnHour);
    readings = 0;
    const checks = await Promise.all(Array.from({ length: 1000 }, () => mine.verify(token)));
    expect(checks.every((claims) => claims?.sub === "x")).toBe(true);
    expect(readings).toBe(1);
    expect(await mine.verify(token)).toMatchObject({ sub: "x" });
    expect(readings).toBe(1);
  });

  test("takes it also while a reading is on its way that began too early to know the key", async () => {
    const gates: PromiseWithResolvers<void>[] = [];
    const begun = async (count: number) => {
      while (gates.length < count) await Bun.sleep(1);
    };
    const mine = ring({
      load: async () => {
        const keys = await load();
        const gate = Promise.withResolvers<void>();
        gates.push(gate);
        await gate.promise;
        return keys;
      },
    });
    const signed = mine.sign({}, inAnHour);
    await begun(1);
    gates[0]?.resolve();
    await signed;
    const first = mine.verify(madeUp());
    await begun(2);
    await newKey();
    const token = await ring().sign({ sub: "x" }, inAnHour);
    const second = mine.verify(token);
    gates[1]?.resolve();
    expect(await first).toBeUndefined();
    await Promise.race([begun(3), second]);
    gates[2]?.resolve();
    expect(await second).toMatchObject({ sub: "x" });
    expect(gates).toHaveLength(3);
  });

  test("keeps what the later of two readings found, whichever is over first", async () => {
    const gate = Promise.withResolvers<void>();
    let hold = true;
    const mine = ring({
      load: async () => {
        const keys = await load();
        const isHeld = hold;
        hold = false;
        if (isHeld) await gate.promise;
        return keys;
      },
    });
    const early = mine.refresh();
    while (hold) await Bun.sleep(1);
    await newKey();
    await mine.refresh();
    gate.resolve();
    await early;
    const [header = ""] = (await mine.sign({}, inAnHour)).split(".");
    expect(JSON.parse(Buffer.from(header, "base64url").toString()).kid).toBe("newer");
  });

  test("made-up keys cost two readings a second at most, and fresh tokens get through", async () => {
    const mine = ring({
      pause: async (milliseconds) => {
        clock += milliseconds;
      },
    });
    await mine.sign({}, inAnHour);
    readings = 0;
    for (let i = 0; i < 100; i++) expect(await mine.verify(madeUp())).toBeUndefined();
    expect(readings).toBe(100);
    expect(clock).toBe(90 * 500);
    // Nobody waits for another: whoever comes while one waits has its reading, too.
    const flood = await Promise.all(Array.from({ length: 1000 }, () => mine.verify(madeUp())));
    expect(flood.every((claims) => claims === undefined)).toBe(true);
    expect(readings).toBe(101);
    await newKey();
    const token = await ring().sign({ sub: "x" }, inAnHour);
    const before = clock;
    const [fresh] = await Promise.all([
      mine.verify(token),
      ...Array.from({ length: 100 }, () => mine.verify(madeUp())),
    ]);
    expect(fresh).toMatchObject({ sub: "x" });
    expect(clock - before).toBeLessThanOrEqual(500);
    // A pause fills the budget up again, but not beyond.
    clock += 50_000;
    await mine.sign({}, inAnHour);
    readings = 0;
    const quiet = clock;
    for (let i = 0; i < 12; i++) await mine.verify(madeUp());
    expect([readings, clock - quiet]).toEqual([12, 1_000]);
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
