import { afterAll, beforeAll, expect, test } from "bun:test";
import fc from "fast-check";
import { connect, type DatabaseClient, parseDatabaseUrl } from "../../src/database/client.ts";
import { arrayLiteral } from "../../src/sync/array-literal.ts";
import { createTestDatabase, type TestDatabase } from "../support/shared-postgres.ts";

let database: TestDatabase;
let client: DatabaseClient;
beforeAll(async () => {
  database = await createTestDatabase();
  client = connect(parseDatabaseUrl(database.url), 1);
});
afterAll(async () => {
  await client.close();
  await database.drop();
});

/** The items as Postgres understood them, as JSON. */
async function through(items: readonly (string | number | boolean | null | object)[], type: string) {
  const { sql } = client;
  const [row] = await sql<[{ json: string }]>`
    SELECT coalesce(json_agg(item ORDER BY at), '[]')::text AS json
    FROM unnest(${arrayLiteral(items)}::text::${sql.unsafe(type)}[]) WITH ORDINALITY AS x (item, at)`;
  return JSON.parse(row.json);
}

const awkward = fc.constantFrom(
  "",
  "null",
  "NULL",
  "{",
  "}",
  ",",
  '"',
  "\\",
  "\\x",
  "'",
  " ",
  "\t",
  "\n",
  "\r",
  "\u{1f600}",
  "\u2028",
);
/** Text as it gets through the door: well-formed and without U+0000. */
const text = fc
  .array(fc.oneof(awkward, fc.string({ unit: "grapheme", maxLength: 6 })), { maxLength: 4 })
  .map((parts) => parts.join("").replaceAll("\0", "").toWellFormed());

test("every text comes back as it went", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.option(text, { nil: null })), async (items) => {
      expect(await through(items, "text")).toEqual(items);
    }),
    { numRuns: 300 },
  );
});

test("every number comes back as it went", async () => {
  const double = fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.option(double, { nil: null })), async (items) => {
      expect(await through(items, "float8")).toEqual(items);
    }),
    { numRuns: 300 },
  );
});

test("objects come back as they went", async () => {
  const object = fc.dictionary(text, fc.oneof(text, fc.integer(), fc.boolean(), fc.constant(null)), {
    noNullPrototype: true,
  });
  await fc.assert(
    fc.asyncProperty(fc.array(object), async (items) => {
      expect(await through(items, "jsonb")).toEqual(items);
    }),
    { numRuns: 300 },
  );
});
