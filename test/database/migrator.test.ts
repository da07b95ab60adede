import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { tmpdir } from "node:os";
import { sql } from "drizzle-orm";
import { type Migration, migrations } from "../../migrations/index.ts";
import { connect, type DatabaseClient, parseDatabaseUrl } from "../../src/database/client.ts";
import { migrate, readSchemaState, requireCurrentSchema, SchemaError } from "../../src/database/migrator.ts";
import { program } from "../support/program.ts";
import { createTestDatabase, type TestDatabase } from "../support/shared-postgres.ts";

let database: TestDatabase;
let clients: DatabaseClient[];
beforeEach(async () => {
  database = await createTestDatabase();
  clients = [];
  // The database comes migrated: these tests begin with nothing.
  await open().sql.unsafe("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
});
afterEach(async () => {
  await Promise.all(clients.map((client) => client.close()));
  await database.drop();
});

function open(): DatabaseClient {
  const client = connect(parseDatabaseUrl(database.url), 2);
  clients.push(client);
  return client;
}

const step = (number: number, text: string): Migration => ({ number, name: `step ${number}`, sql: text });
const first = step(1, "CREATE TABLE one (id int); INSERT INTO one VALUES (1)");
const second = step(2, "ALTER TABLE one ADD COLUMN extra int");
const third = step(3, "CREATE TABLE three (id int)");
const broken = step(2, "CREATE TABLE two (id int); INSERT INTO one VALUES (2); SELECT 1/0");

const rows = async (query: string) =>
  (await open().sql.unsafe(query)).map((row): Record<string, unknown> => ({ ...row }));
const applied = () =>
  rows("SELECT number, name, length(checksum) AS digits FROM schema_migrations ORDER BY number");
const tables = async () =>
  (
    await rows(`SELECT relname FROM pg_class
      WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY relname`)
  ).map(({ relname }) => relname);
const numbers = (ran: readonly Migration[]) => ran.map(({ number }) => number);

describe("migrate", () => {
  test("runs what is pending, in order, and then nothing", async () => {
    const { db } = open();
    expect(numbers(await migrate(db, [first]))).toEqual([1]);
    expect(numbers(await migrate(db, [first, second, third]))).toEqual([2, 3]);
    expect(numbers(await migrate(db, [first, second, third]))).toEqual([]);
    expect(await applied()).toEqual([
      { number: 1, name: "step 1", digits: 64 },
      { number: 2, name: "step 2", digits: 64 },
      { number: 3, name: "step 3", digits: 64 },
    ]);
  });

  test("of many programs that start at once, each step is run by one", async () => {
    const slow = { ...first, sql: `${first.sql}; SELECT pg_sleep(0.2)` };
    const known = [slow, second, third];
    const ran = await Promise.all(Array.from({ length: 8 }, () => migrate(open().db, known)));
    expect(numbers(ran.flat()).sort()).toEqual([1, 2, 3]);
    expect(await rows("SELECT count(*) AS found FROM one")).toEqual([{ found: 1 }]);
  });

  test("leaves nothing of a step that fails, and keeps those before it", async () => {
    const { db } = open();
    await expect(migrate(db, [first, broken, third])).rejects.toThrow();
    expect(await tables()).toEqual(["one", "schema_migrations"]);
    expect((await applied()).map(({ number }) => number)).toEqual([1]);
    expect(await rows("SELECT id FROM one")).toEqual([{ id: 1 }]);
    expect(numbers(await migrate(db, [first, second, third]))).toEqual([2, 3]);
  });

  test("lets the next program in after one that died in the middle", async () => {
    const dying = open();
    const stuck = migrate(dying.db, [{ ...first, sql: `${first.sql}; SELECT pg_sleep(60)` }]).catch(
      (error) => error,
    );
    const other = open();
    const asleep = () =>
      other.sql.unsafe(
        "SELECT pid FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid()",
      );
    while ((await asleep()).length === 0) await Bun.sleep(20);
    await other.sql.unsafe(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid()",
    );
    expect(await stuck).toBeInstanceOf(Error);
    expect(numbers(await migrate(other.db, [first]))).toEqual([1]);
  });
});

describe("a database that does not fit is left alone", () => {
  test("when it is newer than the program", async () => {
    const { db } = open();
    await migrate(db, [first, second]);
    for (const refuse of [migrate, requireCurrentSchema, readSchemaState]) {
      const refused = refuse(db, [first]);
      await expect(refused).rejects.toBeInstanceOf(SchemaError);
      await expect(refuse(db, [first])).rejects.toThrow(/older than the database.*newer program/);
    }
    expect((await applied()).length).toBe(2);
  });

  test("when a step is not the one that ran", async () => {
    const { db } = open();
    await migrate(db, [first]);
    const changed = { ...first, sql: `${first.sql} ` };
    await expect(migrate(db, [changed, second])).rejects.toThrow(/Migration 1 \(step 1\) is not the one/);
    await expect(requireCurrentSchema(db, [changed])).rejects.toBeInstanceOf(SchemaError);
    expect((await applied()).length).toBe(1);
    expect(await tables()).toEqual(["one", "schema_migrations"]);
  });
});

describe("readSchemaState", () => {
  test("tells what ran and when, and creates nothing", async () => {
    const { db } = open();
    expect((await readSchemaState(db, [first])).map(({ appliedAt }) => appliedAt)).toEqual([null]);
    expect(await tables()).toEqual([]);
    await migrate(db, [first]);
    const [one, two] = await readSchemaState(db, [first, second]);
    expect(Math.abs(Date.parse(one?.appliedAt ?? "") - Date.now())).toBeLessThan(60_000);
    expect(two?.appliedAt).toBeNull();
  });

  test("requireCurrentSchema names the command that helps", async () => {
    const { db } = open();
    await expect(requireCurrentSchema(db, [first])).rejects.toThrow(/trailglass migrate/);
    await migrate(db, [first]);
    await requireCurrentSchema(db, [first]);
  });
});

test("the list of migrations is numbered from one, without gaps", () => {
  expect(migrations.map(({ number }) => number)).toEqual(migrations.map((_, index) => index + 1));
  for (const { name, sql: text } of migrations) {
    expect(name).toMatch(/^[a-z0-9_]+$/);
    expect(text.length).toBeGreaterThan(0);
  }
});

test("a migrated database takes the migrations for its own", async () => {
  const { db } = open();
  expect(numbers(await migrate(db, migrations))).toEqual(numbers(migrations));
  await db.execute(sql`SELECT 1 FROM users`);
});

describe("the command", () => {
  async function run(args: string[], env: Record<string, string> = {}) {
    const child = Bun.spawn([...program, ...args], {
      cwd: tmpdir(),
      env: { PATH: process.env.PATH ?? "", DATABASE_URL: database.url, APP_PORT: "0", ...env },
      stdout: "pipe",
      stderr: "pipe",
    });
    const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
    return { code: await child.exited, out, err };
  }

  /** A line for each migration. */
  const listed = (line: (name: string) => string) =>
    migrations.map(({ number, name }) => `${line(`${String(number).padStart(4, "0")} ${name}`)}\n`).join("");

  test("--status and --dry-run only tell", async () => {
    const status = await run(["migrate", "--status"]);
    expect(status).toEqual({ code: 0, out: listed((name) => `${name}  pending`), err: "" });
    const dry = await run(["migrate", "--dry-run"]);
    expect(dry.out).toStartWith("-- 0001 initial\n");
    expect(dry.out).toContain(migrations[0]?.sql ?? "nothing");
    expect(await tables()).toEqual([]);
  });

  test("runs them, tells which, and then that nothing is left", async () => {
    expect((await run(["migrate"])).out).toBe(listed((name) => `ran ${name}`));
    expect((await run(["migrate"])).out).toBe("The schema is up to date.\n");
    expect((await run(["migrate", "--dry-run"])).out).toBe("The schema is up to date.\n");
    expect((await run(["migrate", "--status"])).out).toMatch(/^0001 initial {2}\d{4}-\d\d-\d\dT/);
  });

  test("serve refuses an old schema with AUTO_MIGRATE=false, and a newer one always", async () => {
    const old = await run(["serve"], { AUTO_MIGRATE: "false" });
    expect([old.code, old.out]).toEqual([69, ""]);
    expect(old.err).toContain('Run "trailglass migrate"');
    expect(await tables()).toEqual([]);
    await run(["migrate"]);
    await open().sql.unsafe(
      "INSERT INTO schema_migrations (number, name, checksum) VALUES (9999, 'of tomorrow', 'x')",
    );
    for (const command of [["serve"], ["migrate"], ["migrate", "--status"], ["list-users"]]) {
      const newer = await run(command);
      expect(newer.code).toBe(69);
      expect(newer.err).toMatch(/^trailglass: The database is at schema 9999 \(of tomorrow\)/);
    }
  });
});
