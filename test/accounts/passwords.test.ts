import { describe, expect, test } from "bun:test";
import { commonPasswords } from "../../src/accounts/common-passwords.ts";
import { argon2Hasher, type PasswordHasher } from "../../src/accounts/password-hasher.ts";
import { newPassword, requireUnlikeEmail } from "../../src/accounts/password-rules.ts";
import { Passwords } from "../../src/accounts/passwords.ts";
import { Turnstile } from "../../src/accounts/turnstile.ts";
import { AppError } from "../../src/errors.ts";

describe("rules", () => {
  test.each(["eight ch", "ÄÖÜäöüß!", "😀😃😄😁😆😅😂🤣", "x1".repeat(128), "        spaces count        "])(
    "accepts %p",
    (password) => expect(newPassword.parse(password)).toBe(password),
  );

  test.each([
    "",
    "1234567",
    "😀😃😄😁",
    "e\u0301".repeat(7),
    "x1".repeat(129),
    "PASSWORD",
    "aaaaaaaaaa",
    "a\0aaaaab",
  ])("refuses %p", (password) => expect(newPassword.safeParse(password).success).toBe(false));

  test("normalises before anything else", () => {
    expect(newPassword.parse("cafe\u0301 latte")).toBe("caf\u00e9 latte");
    expect(newPassword.parse(`${"e\u0301".repeat(255)}x`)).toHaveLength(256);
  });

  test("the list holds only what no other rule refuses", () => {
    for (const password of commonPasswords) {
      expect(password).toBe(password.toLowerCase());
      expect(password.length).toBeGreaterThanOrEqual(8);
    }
  });

  test("a password may contain the email, but not be it", () => {
    expect(() =>
      requireUnlikeEmail("ada.lovelace@example.org", "Ada.Lovelace@example.org", "password"),
    ).toThrow(AppError);
    expect(() => requireUnlikeEmail("ADA.LOVELACE", "ada.lovelace@example.org", "password")).toThrow(
      AppError,
    );
    requireUnlikeEmail("ada.lovelace 1815", "ada.lovelace@example.org", "password");
  });
});

describe("hasher", () => {
  test("is Argon2id with OWASP's parameters", async () => {
    const hash = await argon2Hasher.hash("some password");
    expect(hash).toStartWith("$argon2id$v=19$m=19456,t=2,p=1$");
    expect(await argon2Hasher.verify("some password", hash)).toBe(true);
    expect(await argon2Hasher.verify("Some password", hash)).toBe(false);
  });

  test.each([
    ["$argon2id$v=19$m=19456,t=2,p=1$x", false],
    ["$argon2id$v=19$m=65536,t=3,p=1$x", false],
    ["$argon2id$v=19$m=19455,t=2,p=1$x", true],
    ["$argon2id$v=19$m=65536,t=1,p=1$x", true],
    ["$argon2i$v=19$m=65536,t=3,p=1$x", true],
    ["$2b$10$x", true],
  ])("knows whether %s is outdated", (hash, outdated) => {
    expect(argon2Hasher.isOutdated(hash)).toBe(outdated);
  });

  test("the hash of nobody is well-formed, current and different each time", async () => {
    const hash = argon2Hasher.unmatchable();
    expect(argon2Hasher.isOutdated(hash)).toBe(false);
    expect(await argon2Hasher.verify("some password", hash)).toBe(false);
    expect(argon2Hasher.unmatchable()).not.toBe(hash);
    expect(hash.length).toBe((await argon2Hasher.hash("some password")).length);
  });
});

describe("Passwords", () => {
  test("says no without a stored hash, even if the hasher says yes", async () => {
    const gullible: PasswordHasher = { ...argon2Hasher, verify: async () => true };
    expect(await new Passwords(gullible).verify("some password", undefined)).toBe(false);
  });

  test("works at two hashes at once, and turns away whoever finds the line full", async () => {
    let running = 0;
    let most = 0;
    const gate = Promise.withResolvers<void>();
    const slow: PasswordHasher = {
      ...argon2Hasher,
      async hash() {
        most = Math.max(most, ++running);
        await gate.promise;
        running--;
        return "hash";
      },
    };
    const passwords = new Passwords(slow);
    const work = Array.from({ length: 102 }, () => passwords.hash("some password"));
    const tooMany = passwords.hash("one too many").catch((error) => error.code);
    gate.resolve();
    await Promise.all(work);
    expect(await tooMany).toBe("SERVICE_UNAVAILABLE");
    expect(most).toBe(2);
  });
});

describe("Turnstile", () => {
  test("lets the waiting in by their order, also after a failure", async () => {
    const turnstile = new Turnstile(1, 10);
    const order: number[] = [];
    const work = [1, 2, 3].map((n) =>
      turnstile.run(async () => {
        order.push(n);
        if (n === 1) throw new Error("failed");
      }),
    );
    expect((await Promise.allSettled(work)).map(({ status }) => status)).toEqual([
      "rejected",
      "fulfilled",
      "fulfilled",
    ]);
    expect(order).toEqual([1, 2, 3]);
    await turnstile.run(async () => order.push(4));
    expect(order).toHaveLength(4);
  });
});
