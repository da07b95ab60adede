import { describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseEnv } from "node:util";
import fc from "fast-check";
import { changeEnvFile, quote, UnquotableError } from "../../cli/setup/env-file.ts";
import { groups, head } from "../../cli/setup/env-groups.ts";

const awkward = [
  "plain",
  "a b",
  " a ",
  "a#b",
  "a # b",
  "it's",
  'say "x"',
  `it's "x"`,
  "$HOME",
  "x$HOME}",
  "a\\nb",
  "two\\\\ts",
  "`x`",
  "it's `x`",
  "'start",
  '"start"',
  "a;b",
  "ü ö",
  "a=b=c",
  "*?[x]~!&|<>()",
  "it's $HOME # x",
];

/** The value of one assignment as systemd reads it. Source: parse_env_file_internal() in systemd's env-file.c. */
function readLikeSystemd(text: string): string {
  let [state, value, kept] = ["pre", "", 0];
  for (const c of text) {
    if (state === "pre" || state === "bare") {
      if (c === "\n") break;
      if (c === "\\") state = "escape";
      else if (state === "pre" && c === "'") state = "single";
      else if (state === "pre" && c === '"') state = "double";
      else if (state === "bare" || !/\s/.test(c)) {
        state = "bare";
        value += c;
      }
    } else if (state === "escape") [state, value] = ["bare", value + (c === "\n" ? "" : c)];
    else if (state === "single") [state, value] = c === "'" ? ["pre", value] : [state, value + c];
    else if (state === "double" && c === '"') state = "pre";
    else if (state === "double" && c === "\\") state = "double escape";
    else if (state === "double") value += c;
    else [state, value] = ["double", value + (/["\\`$]/.test(c) ? c : c === "\n" ? "" : `\\${c}`)];
    if (state !== "bare" || !/\s/.test(c)) kept = value.length;
  }
  return value.slice(0, kept);
}

const ours = (line: string) => parseEnv(`${line}\nNEXT=1\n`);

describe("a quoted value", () => {
  test.each(awkward)("is read by us and by systemd as it was: %s", (value) => {
    const quoted = quote("X", value);
    expect(ours(`X=${quoted}`)).toEqual({ X: value, NEXT: "1" });
    expect(readLikeSystemd(`${quoted}\n`)).toBe(value);
  });

  test("whatever it is, or it is refused", () => {
    const texts = fc.string({ unit: fc.constantFrom(..."ab '\"\\$#`=;\t{}é"), maxLength: 12 });
    fc.assert(
      fc.property(texts, (value) => {
        fc.pre(value !== "");
        try {
          const quoted = quote("X", value);
          expect(ours(`X=${quoted}`)).toEqual({ X: value, NEXT: "1" });
          expect(readLikeSystemd(`${quoted}\n`)).toBe(value);
        } catch (error) {
          if (!(error instanceof UnquotableError)) throw error;
          expect(value).toMatch(/['\\]/);
        }
      }),
      { numRuns: 3000 },
    );
  });

  test("of several lines is refused, and the message does not repeat it", () => {
    expect(() => quote("SMTP_PASSWORD", "top\nsecret")).toThrow("SMTP_PASSWORD must be one line");
    expect(() => quote("SMTP_PASSWORD", "it's \\secret")).toThrow(
      /^SMTP_PASSWORD holds quotation marks(?!.*secret)/,
    );
  });

  const generator = "/usr/lib/systemd/user-environment-generators/30-systemd-environment-d-generator";
  test.skipIf(!Bun.which(generator))("is read by systemd's own parser as it was", () => {
    const folder = mkdtempSync(join(tmpdir(), "trailglass-env-"));
    mkdirSync(join(folder, "environment.d"));
    // That program goes on to expand variables, which EnvironmentFile= does not.
    const values = awkward.filter((value) => !/[$\\]/.test(value));
    const lines = values.map((value, at) => `X${at}=${quote("X", value)}`);
    writeFileSync(join(folder, "environment.d/x.conf"), `${lines.join("\n")}\n`);
    const { stdout } = Bun.spawnSync([generator], { env: { XDG_CONFIG_HOME: folder, HOME: folder } });
    rmSync(folder, { recursive: true });
    const said = stdout.toString().split("\n");
    for (const [at, value] of values.entries()) {
      const line = said.find((each) => each.startsWith(`X${at}=`)) ?? "";
      const shown = line.slice(line.indexOf("=") + 1);
      expect(shown.replace(/^"(.*)"$/, "$1").replace(/\\(["\\`$])/g, "$1")).toBe(value);
    }
  });
});

describe("an env file that is there", () => {
  const change = (text: string, settings: Record<string, string | null>) =>
    changeEnvFile(text, new Map(Object.entries(settings)), groups, head);

  test("keeps what somebody else wrote, comments and places too", () => {
    const text = [
      "# mine",
      "LOG_LEVEL=debug   # loud",
      "",
      "export PORT=81",
      "MOTTO='one",
      "APP_PORT=not a setting'",
      "TRAILGLASS_X=1",
      "",
    ].join("\n");
    expect(change(text, { APP_PORT: "82" })).toBe(text.replace("export PORT=81", "APP_PORT=82"));
  });

  test("is not touched where it says the same in other words", () => {
    const text = "STORAGE_DRIVER=minio\nMINIO_BUCKET='x'\nALLOW_PLAIN_HTTP=yes\n";
    expect(change(text, { STORAGE_BACKEND: "s3", STORAGE_BUCKET: "x", ALLOW_PLAIN_HTTP: "true" })).toBe(text);
  });

  test("loses what is no longer meant, under every name", () => {
    const text = "SMTP_HOST=a\nSMTP_PASSWORD_FILE=/x\nSMTP_PASSWORD=b\nX=1\n";
    expect(change(text, { SMTP_HOST: null, SMTP_PASSWORD: null })).toBe("X=1\n");
  });

  test("gets new settings beside those of their group", () => {
    expect(change("APP_PORT=1\nX=1\n", { APP_HOST: "::", DATA_DIR: "/d" })).toBe(
      "APP_PORT=1\nAPP_HOST=::\nX=1\n\n# Data\nDATA_DIR=/d\n",
    );
  });

  test("a new one has a heading for each group", () => {
    expect(change("", { DATA_DIR: "/d", APP_PORT: "1", JWT_SECRET: "s" })).toBe(
      `${head}\n\n# Data\nDATA_DIR=/d\n\n# Way in. Behind a proxy on this machine, APP_HOST is 127.0.0.1\nAPP_PORT=1\n\n# People: who may register, and the first signing key\nJWT_SECRET=s\n`,
    );
  });
});
