import { expect, test } from "bun:test";
import { plainText, uuid } from "../../src/http/text-schema.ts";

const fits = (min: number, max: number, text: unknown) => plainText(min, max).safeParse(text).success;

test("counts characters as Postgres does, not UTF-16 units", () => {
  expect(fits(1, 3, "😀😃😄")).toBe(true);
  expect(fits(1, 3, "😀😃😄😁")).toBe(false);
  expect(fits(4, 9, "😀😃😄")).toBe(false);
  expect(fits(2, 3, "abc")).toBe(true);
  expect(fits(2, 3, "a")).toBe(false);
  expect(fits(1, 3, "abcd")).toBe(false);
  expect(fits(1, 3, "")).toBe(false);
  expect(fits(0, 3, "")).toBe(true);
});

test("refuses what Postgres cannot store, and what is no text", () => {
  for (const value of ["a\0b", 5, null, undefined, ["a"]]) expect(fits(0, 9, value)).toBe(false);
});

test("mends half of a surrogate pair, and leaves the rest as typed", () => {
  expect(plainText(0, 9).parse(" a\ud83d")).toBe(" a\ufffd");
  expect(plainText(0, 9).parse("e\u0301 ")).toBe("e\u0301 ");
});

test("reads a UUID in any case into lower case", () => {
  expect(uuid.parse("AAAAAAAA-BBBB-4CCC-8DDD-EEEEEEEEEEEE")).toBe("aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee");
  for (const value of ["", "x", "aaaaaaaabbbb4ccc8dddeeeeeeeeeeee", null]) {
    expect(uuid.safeParse(value).success).toBe(false);
  }
});
