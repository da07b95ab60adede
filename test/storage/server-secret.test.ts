import { afterAll, beforeAll, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { connect, type DatabaseClient, parseDatabaseUrl } from "../../src/database/client.ts";
import { loadSecret } from "../../src/storage/server-secret.ts";
import { createTestDatabase, type TestDatabase } from "../support/shared-postgres.ts";

let database: TestDatabase;
let clients: DatabaseClient[];
beforeAll(async () => {
  database = await createTestDatabase();
  clients = Array.from({ length: 2 }, () => connect(parseDatabaseUrl(database.url), 8));
});
afterAll(async () => {
  for (const client of clients) await client.close();
  await database.drop();
});

const load = (name: string, server = 0) => loadSecret((clients[server] as DatabaseClient).db, name);
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

test("servers that start at once agree on 32 bytes", async () => {
  for (let round = 0; round < 20; round++) {
    const loads = Array.from({ length: 10 }, (_, n) => load(`round ${round}`, n % 2));
    const secrets = await Promise.all(loads);
    expect(new Set(secrets.map(hex)).size).toBe(1);
    expect(secrets[0]).toBeInstanceOf(Uint8Array);
    expect(secrets[0]).toHaveLength(32);
  }
});

test("each name has its own, for good", async () => {
  const [one, two] = [await load("one"), await load("two", 1)];
  expect(hex(one)).not.toBe(hex(two));
  expect(hex(await load("one", 1))).toBe(hex(one));
});

test("waits for a server that is about to write one", async () => {
  const [mine, other] = clients as [DatabaseClient, DatabaseClient];
  const secret = Buffer.alloc(32, 5);
  let waiting: Promise<Uint8Array> | undefined;
  await other.db.transaction(async (tx) => {
    await tx.execute(sql`INSERT INTO server_secrets (name, secret) VALUES ('held', ${secret})`);
    waiting = loadSecret(mine.db, "held");
    await Bun.sleep(50);
  });
  expect(hex((await waiting) as Uint8Array)).toBe(hex(secret));
});
