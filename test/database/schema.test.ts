import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { getTableName, is } from "drizzle-orm";
import { getTableConfig, PgTable } from "drizzle-orm/pg-core";
import * as accountTables from "../../src/accounts/tables.ts";
import { connect, type DatabaseClient, parseDatabaseUrl } from "../../src/database/client.ts";
import { createRegistry } from "../../src/journal/registry.ts";
import { createTestDatabase, type TestDatabase } from "../support/shared-postgres.ts";
import { type Catalog, printCatalog, readCatalog } from "./catalog.ts";

const snapshot = join(import.meta.dir, "schema.snapshot.sql");
const registry = createRegistry((photo) => photo);

let database: TestDatabase;
let client: DatabaseClient;
let catalog: Catalog;
beforeAll(async () => {
  database = await createTestDatabase();
  client = connect(parseDatabaseUrl(database.url), 1);
  catalog = await readCatalog(client.sql);
});
afterAll(async () => {
  await client.close();
  await database.drop();
});

const columnsOf = (table: string) => catalog.columns.filter((column) => column.table === table);
const definitionsOf = (list: keyof Omit<Catalog, "columns">, table: string) =>
  catalog[list].filter((one) => one.table === table).map(({ definition }) => definition);
const tables = () => [...new Set(catalog.columns.map(({ table }) => table))];
const owned = () => tables().filter((table) => columnsOf(table).some(({ name }) => name === "user_id"));
/** Tables of what phones see, known by the column that every one of them has. */
const synced = () =>
  tables().filter((table) => columnsOf(table).some(({ name }) => name === "server_version"));

test("is as it was: a change is a new migration, and UPDATE_SNAPSHOT=1 bun test writes it down", async () => {
  const text = printCatalog(catalog);
  if (process.env.UPDATE_SNAPSHOT) await Bun.write(snapshot, text);
  expect(text).toBe(await Bun.file(snapshot).text());
});

describe("every account is a world of its own", () => {
  test("the tables that belong to accounts are found", () => {
    expect(
      tables()
        .filter((table) => !owned().includes(table))
        .sort(),
    ).toEqual([
      "daily_statistics",
      "invites",
      "jobs",
      "schema_migrations",
      "server_secrets",
      "signing_keys",
      "stored_blobs",
      "stored_chunks",
      "unreferenced_objects",
      "users",
    ]);
  });

  test("their primary keys start with the account", () => {
    const primary = (table: string) =>
      definitionsOf("constraints", table).filter((text) => text.startsWith("PRIMARY KEY"));
    const astray = owned().filter((table) => !primary(table)[0]?.startsWith("PRIMARY KEY (user_id"));
    expect(astray).toEqual([]);
    expect(
      owned().filter((table) => columnsOf(table).find(({ name }) => name === "user_id")?.required !== true),
    ).toEqual([]);
  });

  test("their foreign keys start with the account, and end with it", () => {
    for (const table of owned()) {
      const foreign = definitionsOf("constraints", table).filter((text) => text.startsWith("FOREIGN KEY"));
      expect([table, foreign.length > 0]).toEqual([table, true]);
      for (const text of foreign)
        expect(text).toMatch(
          /^FOREIGN KEY \(user_id(, \w+)*\) REFERENCES \w+\((user_id|id)(, \w+)*\) (ON DELETE CASCADE|DEFERRABLE INITIALLY DEFERRED)$/,
        );
    }
  });

  test("only tokens, which are looked up before anyone knows whose they are, are unique beyond an account", () => {
    const beyond = owned().flatMap((table) =>
      definitionsOf("indexes", table).filter(
        (text) => text.startsWith("CREATE UNIQUE") && !text.includes("btree (user_id"),
      ),
    );
    expect(beyond.map((text) => text.split(" ")[3])).toEqual([
      "direct_uploads_key_key",
      "exports_key_key",
      "password_reset_tokens_hash_key",
      "refresh_tokens_hash_key",
      "stored_objects_key_key",
    ]);
  });
});

describe("every table of what phones see", () => {
  test("is one that the program knows", () => {
    const known = [...registry.map(({ table }) => getTableName(table)), "encrypted_sync_data"];
    expect(synced().sort()).toEqual(known.sort());
  });

  test("has the audit columns", () => {
    for (const table of synced()) {
      const columns = Object.fromEntries(columnsOf(table).map(({ name, definition }) => [name, definition]));
      expect([table, columns]).toEqual([
        table,
        expect.objectContaining({
          id: 'text COLLATE "C" NOT NULL',
          device_id: table === "location_samples" ? "uuid NOT NULL" : "uuid",
          server_version: "bigint NOT NULL",
          created_at: "timestamp with time zone NOT NULL DEFAULT now()",
          updated_at: "timestamp with time zone NOT NULL DEFAULT now()",
          deleted_at: "timestamp with time zone",
        }),
      ]);
    }
  });

  test("is indexed by version and by time of change", () => {
    for (const table of synced()) {
      for (const columns of ["(user_id, server_version)", "(user_id, updated_at)"]) {
        expect([table, definitionsOf("indexes", table).some((text) => text.endsWith(columns))]).toEqual([
          table,
          true,
        ]);
      }
    }
  });

  test("refuses a version that does not grow", () => {
    for (const table of synced()) {
      expect([table, definitionsOf("triggers", table)]).toEqual([
        table,
        expect.arrayContaining([
          expect.stringMatching(
            /BEFORE UPDATE .* FOR EACH ROW EXECUTE FUNCTION refuse_version_backwards\(\)$/,
          ),
        ]),
      ]);
    }
  });

  test("and does so in fact, as the counter does", async () => {
    await client.sql.begin(async (tx) => {
      const user = crypto.randomUUID();
      await tx`INSERT INTO users (id, email, display_name) VALUES (${user}, 'a@example.org', 'A')`;
      await tx`INSERT INTO sync_versions (user_id, version) VALUES (${user}, 5)`;
      await tx`INSERT INTO trips (user_id, id, server_version, edited_version) VALUES (${user}, 't', 5, 5)`;
      for (const version of [4, 5]) {
        const attempt = tx.savepoint(
          (inner) => inner`UPDATE trips SET server_version = ${version}, name = 'x'`,
        );
        await expect(attempt).rejects.toMatchObject({ code: "23000" });
      }
      const back = tx.savepoint((inner) => inner`UPDATE sync_versions SET version = 4`);
      await expect(back).rejects.toMatchObject({ code: "23000" });
      await tx`UPDATE trips SET server_version = 6`;
      await tx`DELETE FROM users WHERE id = ${user}`;
      expect([...(await tx`SELECT 1 FROM trips`)]).toEqual([]);
    });
  });
});

describe("the tables in the program", () => {
  const declared = [
    ...Object.values(accountTables).filter((table) => is(table, PgTable)),
    ...registry.map(({ table }) => table),
  ];

  test("have columns that the database has, of its types", () => {
    expect(declared.length).toBeGreaterThan(14);
    const spelled = (type: string) =>
      type.replace(/^timestamp ?(\(3\))? with time zone$/, "timestamp$1 with time zone");
    for (const table of declared) {
      const { name, columns } = getTableConfig(table);
      const real = new Map(columnsOf(name).map((column) => [column.name, column]));
      for (const column of columns) {
        const found = real.get(column.name);
        expect([name, column.name, found && spelled(found.type)]).toEqual([
          name,
          column.name,
          spelled(column.getSQLType()),
        ]);
        // A NOT NULL of the program that the database does not have would hide a null from the compiler.
        if (column.notNull) expect([name, column.name, found?.required]).toEqual([name, column.name, true]);
      }
    }
  });

  test("of what phones see leave no column out", () => {
    for (const { table } of registry) {
      const { name, columns } = getTableConfig(table);
      expect(
        columnsOf(name)
          .map((column) => column.name)
          .sort(),
      ).toEqual(columns.map((column) => column.name).sort());
    }
  });
});
