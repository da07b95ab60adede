import { expect, test } from "bun:test";
import fc from "fast-check";
import { decimal, element, enclose, escapeXml, reference } from "./xml.ts";

test.each([
  ["<b>&amp;\"']]>", "&lt;b&gt;&amp;amp;&quot;']]&gt;"],
  ["a\tb\nc", "a\tb\nc"],
  ["a\r\nb\u2028c\u0085d", "a&#13;\nb&#8232;c&#133;d"],
  ["\u0000\u0008\u001f\ufffe\uffff", "&#65533;".repeat(5)],
  ["\ud83d \udc69 \u{1f469}", "&#65533; &#65533; \u{1f469}"],
  ["\u007f\u{1fffe}", "\u007f\u{1fffe}"],
])("escapes %j", (text, escaped) => {
  expect(escapeXml(text)).toBe(escaped);
});

test.each([
  [-0, "0"],
  [1e-7, "0.0000001"],
  [-1.5e-7, "-0.00000015"],
  [0.000001, "0.000001"],
  [5e-324, "0"],
  [-1e-300, "0"],
  [1e21, "1000000000000000000000"],
  [-1.5e22, "-15000000000000000000000"],
  [46.05123456789012, "46.05123456789012"],
])("writes %p as a decimal", (value, text) => {
  expect(decimal(value)).toBe(text);
});

test("writes any number as a decimal that is read as that number", () => {
  const number = fc.double({ noNaN: true, noDefaultInfinity: true });
  fc.assert(
    fc.property(fc.oneof(number, fc.double({ min: -180, max: 180, noNaN: true })), (value) => {
      const text = decimal(value);
      expect(text).toMatch(/^(0|-?(0|[1-9]\d*)(\.\d*[1-9])?)$/);
      if (Math.abs(value) >= 1e-6) expect(Number(text)).toBe(value);
      else expect(Math.abs(Number(text) - value)).toBeLessThan(1e-15);
    }),
    { numRuns: 1000 },
  );
});

test("leaves out an element without text, and closes one by its name alone", () => {
  expect(element("name", null) + element("name", "")).toBe("");
  expect(enclose('wpt lat="1"', element("name", "&"))).toBe('<wpt lat="1"><name>&amp;</name></wpt>');
});

test("refers to files of the archive", () => {
  expect(reference('photos/photo:1 ü#?&".jpg')).toBe("photos/photo%3A1%20%C3%BC%23%3F%26%22.jpg");
  expect(reference("photos/\ud800.jpg")).toBe("photos/%EF%BF%BD.jpg");
});
