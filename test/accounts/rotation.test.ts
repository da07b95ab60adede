import { describe, expect, test } from "bun:test";
import { decideRotation, type PresentedToken } from "../../src/accounts/rotation.ts";

const fresh: PresentedToken = {
  sessionLives: true,
  expired: false,
  revoked: false,
  used: false,
  usedLately: false,
  siblingUsed: false,
  childUsed: false,
};
const used = { ...fresh, used: true };

describe("decideRotation", () => {
  test.each([
    ["a fresh token", fresh, "rotate"],
    ["the same after its session ended", { ...fresh, sessionLives: false }, "refuse"],
    ["an expired one", { ...fresh, expired: true }, "refuse"],
    ["a revoked one", { ...fresh, revoked: true }, "refuse"],
    ["one of two children, when the other was used", { ...fresh, siblingUsed: true }, "end-session"],
    ["one used just now", { ...used, usedLately: true }, "repeat"],
    ["one used long ago", used, "end-session"],
    ["one used just now, as was its child", { ...used, usedLately: true, childUsed: true }, "end-session"],
    ["one used long ago and expired", { ...used, expired: true }, "refuse"],
    ["one used long ago, of an ended session", { ...used, sessionLives: false }, "refuse"],
  ] as const)("%s", (_what, token, verdict) => {
    expect(decideRotation(token)).toBe(verdict);
  });
});
