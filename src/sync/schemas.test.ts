import { describe, expect, test } from "bun:test";
import type { z } from "zod";
import {
  entityId,
  idList,
  instant,
  largestVersion,
  maybe,
  number,
  text,
  version,
  wholeNumber,
} from "./schemas.ts";

const takes = (schema: z.ZodType, value: unknown) => schema.safeParse(value).success;

describe("an id", () => {
  test.each([
    "sample_2f1c8a5e-9f7e-4c3a-8a53-6c8de5c5a001",
    "sample_visit_2f1c8a5e-9f7e-4c3a-8a53-6c8de5c5a001",
    "visit_1731840000000_-12345678_-9",
    "trip_-1931_1731840000000_2",
    "2F1C8A5E-9F7E-4C3A-8A53-6C8DE5C5A001",
    "a.b:c",
    "x",
    "x".repeat(128),
  ])("may be %s", (id) => expect(entityId.parse(id)).toBe(id));

  test.each([
    ["empty", ""],
    ["too long", "x".repeat(129)],
    ["with a space", "a b"],
    ["with a slash", "a/b"],
    ["with a line end", "a\n"],
    ["with a zero", "a\0"],
    ["with half a character", "a\ud800"],
    ["with an umlaut", "ä"],
    ["a number", 7],
    ["null", null],
  ])("is never %s", (_what, id) => expect(takes(entityId, id)).toBe(false));
});

test("versions are whole numbers up to what no counter ever reaches", () => {
  for (const good of [0, 1, 9_007_199, largestVersion]) expect(version.parse(good)).toBe(good);
  for (const bad of [-1, 0.5, largestVersion + 1, Number.NaN, Number.POSITIVE_INFINITY, "1", null, true])
    expect(takes(version, bad)).toBe(false);
});

test("numbers keep within their bounds; minus zero is zero", () => {
  for (const bad of [-91, 90.0001, Number.NaN, Number.POSITIVE_INFINITY, "48", null, [48]])
    expect(takes(number(-90, 90), bad)).toBe(false);
  expect(number(-90, 90).parse(90)).toBe(90);
  expect(Object.is(number(-90, 90).parse(-0), 0)).toBe(true);
  expect(number(0).parse(Number.MAX_VALUE)).toBe(Number.MAX_VALUE);
});

test("whole numbers are rounded down and fit the database", () => {
  expect(wholeNumber.parse(29.9)).toBe(29);
  expect(wholeNumber.parse(2_147_483_647.9)).toBe(2_147_483_647);
  for (const bad of [-0.5, 2_147_483_648, Number.NaN]) expect(takes(wholeNumber, bad)).toBe(false);
});

test("instants come out in their one spelling", () => {
  expect(instant.parse("2025-11-17T12:00:00.123456789+02:00")).toBe("2025-11-17T10:00:00.123Z");
  for (const bad of ["2025-02-30T00:00:00Z", "", 0, null]) expect(takes(instant, bad)).toBe(false);
});

test("what is optional reads as null when it is missing", () => {
  expect(maybe(text(5)).parse(undefined)).toBeNull();
  expect(maybe(text(5)).parse(null)).toBeNull();
  expect(maybe(text(5)).parse("")).toBe("");
});

test("lists of ids hold each once, in the order given", () => {
  expect(idList.parse(["b", "a", "b"])).toEqual(["b", "a"]);
  expect(idList.parse(null)).toEqual([]);
  expect(idList.parse(undefined)).toEqual([]);
  for (const bad of [["a b"], [null], "a", { 0: "a" }]) expect(takes(idList, bad)).toBe(false);
  expect(
    takes(
      idList,
      Array.from({ length: 10_001 }, (_, index) => `p${index}`),
    ),
  ).toBe(false);
});

test("text loses half characters and is refused with a zero or too long", () => {
  expect(text(10).parse("caf\u00e9 \ud83d")).toBe("caf\u00e9 \ufffd");
  expect(text(2).parse("\u{1f600}\u{1f600}")).toBe("\u{1f600}\u{1f600}");
  for (const bad of ["a\0", "abc", 5]) expect(takes(text(2), bad)).toBe(false);
});
