import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { copyLine } from "../../src/exports/import/copy-text.ts";
import { MalformedList, objectTexts } from "../../src/exports/import/json-array.ts";

/** A text in pieces of so many bytes. */
async function* cut(text: string, size: number): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function read(text: string, size = 7): Promise<unknown[]> {
  const texts = await Array.fromAsync(objectTexts(cut(text, size), 10_000));
  return texts.flat().map((one) => JSON.parse(one));
}

const objects = fc.array(
  fc.dictionary(fc.string({ unit: "binary" }), fc.jsonValue({ stringUnit: "binary" })),
);

describe("lists of objects", () => {
  test("are read however they are laid out and come in", async () => {
    const layouts = [undefined, 2, "\t", "\r\n "];
    await fc.assert(
      fc.asyncProperty(
        objects,
        fc.nat({ max: 20 }),
        fc.constantFrom(...layouts),
        async (list, size, space) => {
          const json = JSON.stringify(list, null, space === "\r\n " ? 1 : space);
          const text = space === "\r\n " ? `\ufeff \r\n${json}\r\n` : json;
          expect(await read(text, size + 1)).toEqual(JSON.parse(JSON.stringify(list)));
        },
      ),
      { numRuns: 100 },
    );
  });

  const long = "x".repeat(10_000);
  test.each([
    ["nothing", "", 1],
    ["no end", "[", 1],
    ["an object", "{}", 1],
    ["a list of numbers", "[1]", 1],
    ["no end behind an object", "[{}", 2],
    ["no end behind a comma", "[{},", 2],
    ["a comma too many", "[{},]", 2],
    ["a comma too few", "[{}{}]", 2],
    ["a comma too early", "[,{}]", 1],
    ["a bracket too many", "[{}]]", 2],
    ["a list of lists", "[[{}]]", 1],
    ["a text without an end", '[{"a":"]}', 1],
    ["an object that is too long", `[{},{"a":"${long}"}]`, 2],
  ])("%s is none", async (_what, text, row) => {
    for (const size of [1, 4, 100_000]) {
      const error = await read(text, size).catch((failed) => failed);
      expect(error).toBeInstanceOf(MalformedList);
      expect([size, error.row]).toEqual([size, row]);
    }
  });
});

test("what comes before something malformed is had", async () => {
  const found: string[] = [];
  const reading = async () => {
    for await (const texts of objectTexts(cut('[{"a":1},{"b":2},3]', 100), 100)) found.push(...texts);
  };
  await expect(reading()).rejects.toThrow(MalformedList);
  expect(found).toEqual(['{"a":1}', '{"b":2}']);
});

test("rows for COPY keep to their line and their columns", () => {
  expect(copyLine([1, null, true, "a", { b: "\n" }, "", "\t\\N\r"])).toBe(
    '1\t\\N\ttrue\ta\t{"b":"\\\\n"}\t\t\\t\\\\N\\r\n',
  );
});
