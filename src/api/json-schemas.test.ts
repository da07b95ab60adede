import { expect, test } from "bun:test";
import { z } from "zod";
import { pageQuery } from "../http/page.ts";
import { plainText, uuid } from "../http/text-schema.ts";
import { instant, maybe, number, wholeNumber } from "../sync/schemas.ts";
import { toJsonSchemas } from "./json-schemas.ts";

const spelled = (schema: z.ZodType, io: "input" | "output" = "input") =>
  JSON.parse(JSON.stringify(toJsonSchemas({ it: schema }, io).places.it));

const point = z.object({ x: z.number() }).meta({ id: "TestPoint" });

const table: readonly [string, z.ZodType, object][] = [
  ["null beside a type", z.string().nullable(), { type: ["string", "null"] }],
  ["null among words", z.enum(["A", "B"]).nullable(), { type: ["string", "null"], enum: ["A", "B", null] }],
  ["null twice", maybe(z.string().nullable()), { type: ["string", "null"] }],
  [
    "null beside a name",
    point.nullable(),
    { anyOf: [{ $ref: "#/components/schemas/TestPoint" }, { type: "null" }] },
  ],
  ["a whole number, without the bounds of all", z.int().min(0), { type: "integer", minimum: 0 }],
  ["the input of a transformation", wholeNumber, { type: "number" }],
  ["bounds of a number", number(0, 360), { type: "number", minimum: 0, maximum: 360 }],
  ["a number without an upper bound", number(0), { type: "number", minimum: 0 }],
  ["lengths that a check holds", plainText(1, 100), { type: "string", minLength: 1, maxLength: 100 }],
  ["an instant", maybe(instant), { type: ["string", "null"], format: "date-time" }],
  ["a UUID", uuid, expect.objectContaining({ type: "string", format: "uuid" })],
  [
    "a closed object",
    z.strictObject({ id: z.string() }),
    { type: "object", properties: { id: { type: "string" } }, required: ["id"], additionalProperties: false },
  ],
];

test.each(table)("%s", (_name, schema, expected) => {
  expect(spelled(schema)).toEqual(expected);
});

test("a limit in a query is a number, though it comes as text", () => {
  const { properties } = spelled(pageQuery({ limit: 5, max: 9 }));
  expect(properties.limit).toMatchObject({ type: ["integer", "null"], minimum: 1 });
  expect(properties.limit).not.toHaveProperty("pattern");
});

test("what has a name stands once, and is referred to", () => {
  const { places, components } = toJsonSchemas({ one: point, two: z.array(point) }, "output");
  expect(places.one).toEqual({ $ref: "#/components/schemas/TestPoint" });
  expect(places.two).toEqual({ type: "array", items: { $ref: "#/components/schemas/TestPoint" } });
  expect(components.TestPoint).toMatchObject({ type: "object", required: ["x"] });
  expect(components.TestPoint).not.toHaveProperty("id");
});
