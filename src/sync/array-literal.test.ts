import { expect, test } from "bun:test";
import { arrayLiteral } from "./array-literal.ts";

test.each([
  [[], "{}"],
  [["a", "b"], "{a,b}"],
  [[null, undefined], "{NULL,NULL}"],
  [["null", "NULL", ""], '{"null","NULL",""}'],
  [[1, -0.5, 1e-7, 1e21], "{1,-0.5,1e-7,1e+21}"],
  [[true, false], "{true,false}"],
  [["a,b", "{c}", 'd"e', "f\\g", " h "], '{"a,b","{c}","d\\"e","f\\\\g"," h "}'],
  [[{ a: 'x"y' }], '{"{\\"a\\":\\"x\\\\\\"y\\"}"}'],
])("spells %p", (items, literal) => {
  expect(arrayLiteral(items as never)).toBe(literal);
});
