import { describe, expect, test } from "bun:test";
import { rate } from "./rate.ts";

describe("a rate", () => {
  test.each([
    ["5/1m", { requests: 5, seconds: 60 }],
    ["100/5m", { requests: 100, seconds: 300 }],
    [" 1/1s ", { requests: 1, seconds: 1 }],
    ["9999999/24h", { requests: 9_999_999, seconds: 86_400 }],
    ["1/1d", { requests: 1, seconds: 86_400 }],
    ["0", null],
    [" 0 ", null],
  ])("%p is read", (text, read) => {
    expect(rate.parse(text)).toEqual(read);
  });

  test.each([
    ["0/1m", "none in a window would lock everybody out"],
    ["5/0m", "a window without length"],
    ["5", "no window"],
    ["5/m", "no length"],
    ["5/60", "no unit"],
    ["-5/1m", "less than none"],
    ["1.5/1m", "half a request"],
    ["5/1m/2m", "two windows"],
    ["05/1m", "a leading zero"],
    ["10000000/1m", "more than can be meant"],
    ["5/25h", "longer than a day"],
    ["5/2d", "longer than a day"],
    ["5/30d", "longer than timers can be set"],
    ["00", "not quite zero"],
    ["off", "a word"],
    ["", "nothing"],
  ])("%p is refused: %s", (text) => {
    const { error } = rate.safeParse(text);
    expect(error?.issues.map(({ message }) => message)).toEqual([expect.stringContaining("such as 100/5m")]);
  });
});
