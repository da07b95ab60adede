import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runProgram } from "./patient.ts";

let folder: string;
let listed: string[];
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "trailglass-completions-"));
  for (const shell of ["bash", "zsh", "fish"])
    writeFileSync(join(folder, shell), (await runProgram(folder, ["completions", shell])).out);
  const { out } = await runProgram(folder, ["--help"]);
  listed = [...out.matchAll(/^ {2}([a-z][a-z-]+)(?: |$)/gm)].map(([, name]) => name as string);
  writeFileSync(join(folder, "a file.env"), "");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(shell: string, script: string): string {
  const { stdout, stderr } = Bun.spawnSync([shell, "-c", script], {
    cwd: folder,
    env: { PATH: process.env.PATH, HOME: folder },
  });
  expect(stderr.toString()).toBe("");
  return stdout.toString().trim();
}

test("another shell is a wrong command line", async () => {
  expect((await runProgram(folder, ["completions", "csh"])).code).toBe(64);
});

describe("bash", () => {
  /** What is offered where the last word is being typed. */
  const complete = (...words: string[]) => {
    const quoted = ["trailglass", ...words].map((word) => `'${word}'`).join(" ");
    const call = `COMP_WORDS=(${quoted}); COMP_CWORD=${words.length}; _trailglass; printf '%s\\n' "\${COMPREPLY[@]}"`;
    // Twice, as shells are loaded with whatever somebody has in their settings.
    return run("bash", `set -u; source ./bash; source ./bash; ${call}`).split("\n").filter(Boolean);
  };

  test("knows every command", () => {
    expect(complete("").concat("help").sort()).toEqual(listed.sort());
    expect(complete("mig")).toEqual(["migrate"]);
  });

  test("knows what is below a command, and its options", () => {
    expect(complete("storage", "")).toEqual(["check", "migrate"]);
    expect(complete("config", "s")).toEqual(["show"]);
    expect(complete("storage", "migrate", "--")).toEqual(["--to", "--help", "--config"]);
    expect(complete("migrate", "--s")).toEqual(["--status"]);
    expect(complete("nonsense", "")).not.toContain("check");
  });

  test("knows what options take", () => {
    expect(complete("storage", "migrate", "--to", "")).toEqual(["s3", "database", "directory"]);
    expect(complete("storage", "migrate", "--to", "=", "d")).toEqual(["database", "directory"]);
    expect(complete("storage", "migrate", "--to", "=")).toEqual(["s3", "database", "directory"]);
    expect(complete("completions", "")).toEqual(["bash", "zsh", "fish"]);
    expect(complete("--config", "a")).toEqual(["a file.env"]);
    expect(complete("doctor", "--bundle", "a")).toEqual(["a file.env"]);
    expect(complete("create-user", "--name", "")).toEqual([]);
  });

  test("finds its way past options and their values", () => {
    expect(complete("--config", "storage", "mig")).toEqual(["migrate"]);
    expect(complete("--config", "x", "storage", "mig")).toEqual(["migrate"]);
    expect(complete("storage", "--config", "x", "mig")).toEqual(["migrate"]);
  });

  test("runs nothing of what was typed", () => {
    complete("create-user", "$(touch evil)", "`touch evil`", "--");
    complete("$(touch evil)");
    expect(existsSync(join(folder, "evil"))).toBe(false);
  });
});

describe.skipIf(!Bun.which("fish"))("fish", () => {
  const complete = (line: string) =>
    run("fish", `source ./fish; complete -C ${JSON.stringify(`trailglass ${line}`)}`)
      .split("\n")
      .map((offer) => offer.split("\t")[0])
      .filter(Boolean);

  test("knows commands, options and what they take", () => {
    expect(complete("").concat("help").sort()).toEqual(listed.sort());
    expect(complete("storage ")).toEqual(["check", "migrate"]);
    expect(complete("migrate --").sort()).toEqual(["--config", "--dry-run", "--help", "--status"]);
    expect(complete("storage migrate --").sort()).toEqual(["--config", "--help", "--to"]);
    expect(complete("storage migrate --to ").sort()).toEqual(["database", "directory", "s3"]);
    expect(complete("--config x storage c")).toEqual(["check"]);
    expect(complete("create-user a@b.org --n")).toEqual(["--name"]);
  });
});

test.skipIf(!Bun.which("zsh"))("zsh takes its script", () => {
  run(
    "zsh",
    "autoload -Uz compinit; compinit -u -d ./dump; source ./zsh; whence -w _trailglass__storage__migrate",
  );
});

describe("the manual page", () => {
  const render = (page: string) => {
    const { stdout, stderr } = Bun.spawnSync(["groff", "-man", "-ww", "-Tutf8", "-P-c"], {
      stdin: Buffer.from(page),
    });
    // A terminal's bold is each letter struck twice.
    return { text: stdout.toString().replaceAll(/.[\b]/g, ""), complaints: stderr.toString() };
  };

  test("tells of every command, setting and exit code", async () => {
    const { code, out } = await runProgram(folder, ["man"]);
    expect(code).toBe(0);
    const plain = out.replace(/\\f[BIR]/g, "").replaceAll("\\-", "-");
    for (const name of listed.filter((command) => command !== "help"))
      expect(plain).toContain(`.SS trailglass ${name} `);
    for (const part of ["ENVIRONMENT", "FILES", "EXIT STATUS"]) expect(plain).toContain(`.SH ${part}\n`);
    expect(plain).toContain("\nBACKUP_PASSPHRASE\n");
    const source = await Bun.file(join(import.meta.dir, "../../cli/with-context.ts")).text();
    const table = source.slice(source.indexOf("exitCodes:"), source.indexOf("];"));
    const codes = [...table.matchAll(/, (\d+)\],/g)].map(([, number]) => number);
    expect(codes).toContain("78");
    for (const number of codes) expect(plain).toContain(`.TP\n${number}\n`);
  });

  test.skipIf(!Bun.which("groff"))("is good troff", async () => {
    const { text, complaints } = render((await runProgram(folder, ["man"])).out);
    expect(complaints).toBe("");
    expect(text).toContain("TRAILGLASS(1)");
    expect(text).toContain("trailglass reset-password [options] email");
  });
});
