import { expect, test } from "bun:test";
import fc from "fast-check";
import { formatInstant, readInstant } from "./instant.ts";

const read = (text: string) => {
  const millis = readInstant(text);
  return millis === null ? null : formatInstant(millis);
};

test.each([
  ["2025-11-17T10:00:00.000Z", "2025-11-17T10:00:00.000Z"],
  ["2025-11-17T10:00:00Z", "2025-11-17T10:00:00.000Z"],
  ["2025-11-17T10:00Z", "2025-11-17T10:00:00.000Z"],
  ["2025-11-17t10:00:00.5z", "2025-11-17T10:00:00.500Z"],
  ["2025-11-17T10:00:00,25Z", "2025-11-17T10:00:00.250Z"],
  ["2025-11-17T10:00:00.123456Z", "2025-11-17T10:00:00.123Z"],
  ["2025-11-17T10:00:00.123999999Z", "2025-11-17T10:00:00.123Z"],
  ["2025-11-17T23:59:59.999999999Z", "2025-11-17T23:59:59.999Z"],
  ["1969-12-31T23:59:59.9999Z", "1969-12-31T23:59:59.999Z"],
  ["2025-11-17T10:00:00+02:00", "2025-11-17T08:00:00.000Z"],
  ["2025-11-17T10:00:00-05:30", "2025-11-17T15:30:00.000Z"],
  ["2025-11-17T10:00:00+0200", "2025-11-17T08:00:00.000Z"],
  ["2025-11-17T10:00:00+02", "2025-11-17T08:00:00.000Z"],
  ["2025-11-17T00:30:00+14:00", "2025-11-16T10:30:00.000Z"],
  ["2025-11-17T10:00:00-00:00", "2025-11-17T10:00:00.000Z"],
  ["2024-02-29T12:00:00Z", "2024-02-29T12:00:00.000Z"],
  ["2000-02-29T12:00:00Z", "2000-02-29T12:00:00.000Z"],
  ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"],
  ["0099-06-01T00:00:00Z", "0099-06-01T00:00:00.000Z"],
  ["9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"],
])("reads %s", (text, spelled) => {
  expect(read(text)).toBe(spelled);
});

test.each([
  ["a day that February never has", "2025-02-30T00:00:00Z"],
  ["a leap day in a common year", "2025-02-29T00:00:00Z"],
  ["a leap day in a century", "1900-02-29T00:00:00Z"],
  ["31 April", "2025-04-31T00:00:00Z"],
  ["month 0", "2025-00-10T00:00:00Z"],
  ["month 13", "2025-13-10T00:00:00Z"],
  ["day 0", "2025-01-00T00:00:00Z"],
  ["hour 24", "2025-01-01T24:00:00Z"],
  ["minute 60", "2025-01-01T00:60:00Z"],
  ["a leap second", "2016-12-31T23:59:60Z"],
  ["no offset", "2025-01-01T00:00:00"],
  ["a date", "2025-01-01"],
  ["ten digits", "2025-01-01T00:00:00.1234567890Z"],
  ["no digit after the point", "2025-01-01T00:00:00.Z"],
  ["an offset that no place has", "2025-01-01T00:00:00+19:00"],
  ["an offset of 60 minutes", "2025-01-01T00:00:00+01:60"],
  ["year 0", "0000-01-01T00:00:00Z"],
  ["before year 1 by its offset", "0001-01-01T00:00:00+01:00"],
  ["after year 9999 by its offset", "9999-12-31T23:59:59-01:00"],
  ["five digits of a year", "12025-01-01T00:00:00Z"],
  ["a space", "2025-01-01 00:00:00Z"],
  ["space around it", " 2025-01-01T00:00:00Z"],
  ["a line after it", "2025-01-01T00:00:00Z\n"],
  ["digits of another script", "٢٠٢٥-01-01T00:00:00Z"],
  ["nothing", ""],
])("refuses %s", (_what, text) => {
  expect(readInstant(text)).toBeNull();
});

test("what it writes it reads again, and text sorts like time", () => {
  const millis = fc.integer({
    min: Date.parse("0001-01-01T00:00:00Z"),
    max: Date.parse("9999-12-31T23:59:59.999Z"),
  });
  fc.assert(
    fc.property(millis, millis, (a, b) => {
      expect(readInstant(formatInstant(a))).toBe(a);
      expect(formatInstant(a) < formatInstant(b)).toBe(a < b);
    }),
  );
});

test("digits below a millisecond never change what is read", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 999_999 }), (below) => {
      const text = `2025-01-01T00:00:00.123${String(below).padStart(6, "0")}Z`;
      expect(read(text)).toBe("2025-01-01T00:00:00.123Z");
    }),
  );
});
