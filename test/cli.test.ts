import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { version } from "../package.json" with { type: "json" };
import { program } from "./support/program.ts";
import { startTestServer, type TestServer } from "./support/test-server.ts";

const commands = [
  "serve",
  "healthcheck",
  "setup",
  "migrate",
  "create-user",
  "invite",
  "list-users",
  "reset-password",
  "disable-user",
  "delete-user",
  "export",
  "import",
  "rotate-keys",
  "storage",
  "backup",
  "restore",
  "jobs",
  "statistics",
  "doctor",
  "config",
  "completions",
  "man",
  "licenses",
];

let server: TestServer;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "trailglass-cli-"));
  server = await startTestServer();
});
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  readonly seconds: number;
}

/** Runs the program in an empty folder, with nothing of the developer's environment. */
async function run(args: string[], env: Record<string, string> = {}): Promise<Outcome> {
  const startedAt = performance.now();
  const child = Bun.spawn([...program, ...args], {
    cwd: folder,
    env: { PATH: process.env.PATH ?? "", DATA_DIR: join(folder, "data"), ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  const code = await child.exited;
  return { code, out, err, seconds: (performance.now() - startedAt) / 1000 };
}

const leftBehind = () => readdirSync(folder).filter((name) => !name.endsWith(".env"));

describe("help", () => {
  test("lists every command, and touches nothing", async () => {
    const { code, out, err } = await run(["--help"]);
    expect([code, err]).toEqual([0, ""]);
    const listed = [...out.matchAll(/^ {2}([a-z][a-z-]+)(?: |$)/gm)].map(([, name]) => name as string);
    expect(listed.filter((name) => name !== "help")).toEqual(commands);
    expect(leftBehind()).toEqual([]);
  });

  test.each(commands)("%s --help tells what it does", async (name) => {
    const { code, out, err } = await run([name, "--help"], { DATABASE_URL: "nonsense" });
    expect([code, err]).toEqual([0, ""]);
    expect(out).toStartWith(`Usage: trailglass ${name} `);
    expect(out.split("\n")[2]).toMatch(/\w{4}/);
    expect(leftBehind()).toEqual([]);
  });

  test("--version is the package's", async () => {
    const { code, out, err } = await run(["--version"]);
    expect([code, err]).toEqual([0, ""]);
    expect(out.split("\n")[0]).toBe(`trailglass ${version}`);
  });
});

describe("a wrong command line is exit 64, and says how to go on", () => {
  test.each([
    ["no command", []],
    ["an unknown command", ["serv"]],
    ["an unknown flag", ["migrate", "--force"]],
    ["a flag of another command", ["list-users", "--status"]],
    ["a missing argument", ["create-user"]],
    ["an argument too many", ["serve", "now"]],
    ["a flag without its value", ["--config"]],
  ])("%s", async (_what, args) => {
    const { code, out, err } = await run(args);
    expect([code, out]).toEqual([64, ""]);
    expect(err).toContain("--help");
    expect(err).not.toContain("    at ");
  });
});

describe("a wrong configuration is exit 78", () => {
  test.each([["serve"], ["migrate"], ["list-users"]])("%s names all of it at once", async (command) => {
    const env = {
      APP_PORT: "x",
      REGISTRATION: "friends",
      DATABASE_URL: "mysql://u:s3cret@db/x",
      JWT_SECRET: "s3cret",
    };
    const { code, out, err } = await run([command], env);
    expect([code, out]).toEqual([78, ""]);
    expect(err).toStartWith("trailglass: The configuration has problems:\n");
    for (const name of Object.keys(env)) expect(err).toMatch(new RegExp(`^  ${name} `, "m"));
    expect(err).not.toContain("s3cret");
    expect(err).not.toContain("    at ");
    expect(leftBehind()).toEqual([]);
  });

  test("an env file that is not there is one, too", async () => {
    const { code, err } = await run(["migrate", "--config", "/nowhere/x.env"]);
    expect(code).toBe(78);
    expect(err).toContain("/nowhere/x.env cannot be read (ENOENT)");
  });

  test("a misspelt name is a warning only", async () => {
    const env = { DATABASE_URL: server.databaseUrl, TRAILGLASS_APP_PROT: "1" };
    const { code, err } = await run(["migrate"], env);
    expect(code).toBe(0);
    expect(err).toBe("Warning: TRAILGLASS_APP_PROT is not a setting; did you mean APP_PORT?\n");
  });
});

describe("the env file", () => {
  const write = (name: string, text: string) => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  };

  test("is read where it is named, and gives way to the environment", async () => {
    const path = write("own.env", `# mine\nDATABASE_URL="${server.databaseUrl}"\nAPP_PORT=x\n`);
    expect((await run(["migrate", "--config", path])).err).toContain("APP_PORT must be");
    expect((await run(["--config", path, "migrate"], { PORT: "81" })).code).toBe(0);
    expect((await run(["migrate"], { TRAILGLASS_CONFIG: path, APP_PORT: "81" })).code).toBe(0);
  });

  test("that is no text in UTF-8 is refused, as all of it would be passed over", async () => {
    const path = write("windows.env", Buffer.from("\ufeffAPP_PORT=81\r\n", "utf16le").toString("latin1"));
    const { code, err } = await run(["config", "check", "--config", path]);
    expect(code).toBe(78);
    expect(err).toContain("windows.env is no text in UTF-8");
  });

  test("in a usual place that cannot be looked at is not taken for none", async () => {
    const link = join(folder, "trailglass.env");
    symlinkSync("trailglass.env", link);
    try {
      const { code, err } = await run(["list-users"]);
      expect(code).toBe(78);
      expect(err).toContain("./trailglass.env cannot be read (ELOOP)");
      expect(leftBehind()).toEqual([]);
    } finally {
      rmSync(link);
    }
  });
});

describe("a database that cannot be reached is exit 69", () => {
  const nowhere = "postgres://ada:s3cret@127.0.0.1:1/trails";

  test("within seconds, and nothing is made in its place", async () => {
    const { code, out, err, seconds } = await run(["list-users"], { DATABASE_URL: nowhere });
    expect([code, out]).toEqual([69, ""]);
    expect(err).toContain("No database answers at 127.0.0.1:1 (ECONNREFUSED). Check DATABASE_URL");
    expect(err).not.toContain("s3cret");
    expect(seconds).toBeLessThan(10);
    expect(leftBehind()).toEqual([]);
  });

  test("serve waits for it, as in a compose file, and ends at once when told to", async () => {
    const child = Bun.spawn([...program, "serve"], {
      cwd: folder,
      env: { PATH: process.env.PATH ?? "", DATA_DIR: join(folder, "data"), DATABASE_URL: nowhere },
      stdout: "pipe",
      stderr: "pipe",
    });
    await Bun.sleep(1500);
    expect(child.exitCode).toBeNull();
    const startedAt = performance.now();
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
    expect(performance.now() - startedAt).toBeLessThan(3000);
    expect(await child.stdout.text()).toContain("waiting for the database");
    expect(leftBehind()).toEqual([]);
  });

  test("nor is one that does not exist made", async () => {
    const url = new URL(server.databaseUrl);
    url.pathname = "/trailglass_nowhere";
    const { code, err } = await run(["serve"], { DATABASE_URL: url.href });
    expect(code).toBe(69);
    expect(err).toContain('There is no database "trailglass_nowhere"');
    expect(err).toContain("CREATE DATABASE trailglass_nowhere");
    expect(leftBehind()).toEqual([]);
  });
});

test("the commands of this test are all there are", async () => {
  const files = ["program.ts", "healthcheck.ts"].map((name) => join(import.meta.dir, "../cli", name));
  const source = (await Promise.all(files.map((path) => Bun.file(path).text()))).join("\n");
  const declared = [...source.matchAll(/\.command\("([a-z-]+)/g)].map(([, name]) => name as string);
  expect(declared.sort()).toEqual([...commands].sort());
});
