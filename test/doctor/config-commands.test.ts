import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { variables } from "../../src/config/variables.ts";
import { runProgram } from "./patient.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "trailglass-config-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Setting {
  readonly name: string;
  readonly value: string | null;
  readonly source: string;
  readonly setBy: string | null;
  readonly problem: string | null;
}

async function show(env: Record<string, string>, args: string[] = []) {
  const { code, out, err } = await runProgram(folder, ["config", "show", "--json", ...args], env);
  const { envFile, settings } = JSON.parse(out) as { envFile: string | null; settings: Setting[] };
  const find = (name: string) => settings.find((setting) => setting.name === name);
  return { code, out, err, envFile, settings, find };
}

const secret = "hidden word of thirty-two characters";

test("show tells every setting, its value and where it comes from", async () => {
  const file = join(folder, "own.env");
  const passphrase = join(folder, "passphrase");
  writeFileSync(passphrase, secret);
  writeFileSync(file, `PORT=81\nLOG_LEVEL=debug\nBACKUP_PASSPHRASE_FILE=${passphrase}\n`);
  const shown = await show({ LOG_LEVEL: "warn", JWT_SECRET: secret }, ["--config", file]);
  expect([shown.code, shown.err, shown.envFile]).toEqual([0, "", file]);
  expect(shown.settings.map(({ name }) => name)).toEqual(
    Object.values(variables).map(({ names }) => names[0]),
  );
  const find = (name: string) => {
    const { value, source, setBy } = shown.find(name) as Setting;
    return [value, source, setBy];
  };
  expect(find("APP_PORT")).toEqual(["81", "env file", "PORT"]);
  expect(find("LOG_LEVEL")).toEqual(["warn", "environment", "LOG_LEVEL"]);
  expect(find("REGISTRATION")).toEqual(["closed", "default", null]);
  expect(find("PUBLIC_URL")).toEqual([null, "default", null]);
  expect(find("JWT_SECRET")).toEqual(["(set)", "environment", "JWT_SECRET"]);
  expect(find("BACKUP_PASSPHRASE")).toEqual(["(set)", "env file", "BACKUP_PASSPHRASE_FILE"]);
  expect(shown.out).not.toContain("hidden");
});

test("no secret is shown: not in an address, not in the wrong place", async () => {
  const env = {
    ...Object.fromEntries(
      Object.values(variables)
        .filter((v) => v.secret)
        .map(({ names }) => [names[0], `${secret} hidden`]),
    ),
    DATABASE_URL: "jdbc:postgresql://db:5432/x?user=u&password=hidden-one",
    PUBLIC_URL: "https://u:hidden-two@trails.example.org",
    STORAGE_ENDPOINT: "http://s3/?token=hidden-three",
    APP_PORT: "hidden-four",
    STORAGE_SECRET_KEY_FILE: "",
  };
  const { code, out, find } = await show(env);
  expect(code).toBe(0);
  expect(out).not.toContain("hidden");
  expect(find("DATABASE_URL")?.value).toContain("db:5432/x?user=u&password=(set)");
  expect(find("PUBLIC_URL")?.value).toBe("https://u:(set)@trails.example.org/");
  expect(find("APP_PORT")).toMatchObject({ value: null, problem: "must be a whole number" });
  const table = await runProgram(folder, ["config", "show"], env);
  expect(table.out).not.toContain("hidden");
  expect(table.out).toMatch(/^APP_PORT +\(not valid: must be a whole number\) +environment$/m);
  expect(table.out).toMatch(/^JWT_SECRET +\(set\) +environment$/m);
});

test("check tells all problems at once, and touches nothing", async () => {
  const before = readdirSync(folder);
  const good = await runProgram(folder, ["config", "check"], { TRAILGLASS_LOG_LEVLE: "x" });
  expect(good).toEqual({
    code: 0,
    out: "The configuration is valid.\n",
    err: "Warning: TRAILGLASS_LOG_LEVLE is not a setting; did you mean LOG_LEVEL?\n",
  });
  const bad = await runProgram(folder, ["config", "check"], { APP_PORT: "x", REGISTRATION: "friends" });
  expect([bad.code, bad.out]).toEqual([78, ""]);
  expect(bad.err).toMatch(/^ {2}APP_PORT .*\n {2}REGISTRATION /m);
  expect((await runProgram(folder, ["config", "check", "--config", "/nowhere"])).code).toBe(78);
  expect(readdirSync(folder)).toEqual(before);
});
