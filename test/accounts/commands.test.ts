import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { tmpdir } from "node:os";
import { program } from "../support/program.ts";
import { startTestServer, type TestServer } from "../support/test-server.ts";
import { goodPassword, login, register, sendLogin, statusOf } from "./people.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.stop());

const surroundings = () => ({
  cwd: tmpdir(),
  env: { PATH: process.env.PATH ?? "", DATABASE_URL: server.databaseUrl, TERM: "xterm" },
});

interface Outcome {
  code: number;
  out: string;
  err: string;
}

/** Runs a command without a terminal. */
async function run(args: string[], input = ""): Promise<Outcome> {
  const child = Bun.spawn([...program, ...args], {
    ...surroundings(),
    stdin: new Blob([input]),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  return { code: await child.exited, out, err };
}

/** Runs a command at a terminal, typing each answer when the words before it have appeared. */
async function converse(args: string[], answers: [string, string][]): Promise<Outcome> {
  let screen = "";
  let seen = 0;
  const child = Bun.spawn([...program, ...args], {
    ...surroundings(),
    terminal: {
      cols: 200,
      data(terminal, data) {
        screen += new TextDecoder().decode(data);
        const [expected, answer] = answers[0] ?? [];
        const at = expected === undefined ? -1 : screen.indexOf(expected, seen);
        if (at < 0) return;
        seen = screen.length;
        answers.shift();
        // A prompt reads keys, not lines: the return key comes as one of its own.
        terminal.write(answer ?? "");
        setTimeout(() => terminal.write("\r"), 50);
      },
    },
  });
  const code = await child.exited;
  await Bun.sleep(50);
  return { code, out: screen, err: "" };
}

const newEmail = () => `cli-${crypto.randomUUID()}@example.org`;

describe("create-user", () => {
  test("reads the password from standard input", async () => {
    const email = newEmail();
    const { code, out, err } = await run(
      ["create-user", email, "--name", "Ada", "--password-stdin"],
      "a good password\n",
    );
    expect([code, err]).toEqual([0, ""]);
    expect(out).toContain(email);
    expect(out).not.toContain("a good password");
    const answer = await sendLogin(server, { email, password: "a good password" });
    expect(answer.json).toMatchObject({ email, displayName: "Ada" });
  });

  test("makes one, prints it once, and it works; the name is the email's first part", async () => {
    const email = newEmail();
    const { code, out } = await run(["create-user", email, "--generate"]);
    expect(code).toBe(0);
    const password = /^Password: (\S+)$/m.exec(out)?.[1] ?? "";
    expect(password).toMatch(/^[a-z2-9]{5}(-[a-z2-9]{5}){3}$/);
    expect(out.split(password)).toHaveLength(2);
    const answer = await sendLogin(server, { email, password });
    expect(answer.json.displayName).toBe(email.split("@")[0]);
    expect((await run(["create-user", newEmail(), "--generate"])).out).not.toContain(password);
  });

  test("asks twice at a terminal, and shows neither answer", async () => {
    const email = newEmail();
    const { code, out } = await converse(
      ["create-user", email],
      [
        ["Password", "a good password"],
        ["The same again", "a good password"],
      ],
    );
    expect(code).toBe(0);
    expect(out).not.toContain("a good password");
    expect((await sendLogin(server, { email, password: "a good password" })).status).toBe(200);
  });

  test("makes nothing when the two answers differ", async () => {
    const email = newEmail();
    const { code, out } = await converse(
      ["create-user", email],
      [
        ["Password", "a good password"],
        ["The same again", "a good passwort"],
      ],
    );
    expect(code).toBe(1);
    expect(out).toContain("differ");
    expect((await run(["list-users"])).out).not.toContain(email);
  });

  test("says what to do where nobody can be asked", async () => {
    const { code, err } = await run(["create-user", newEmail()]);
    expect(code).toBe(1);
    expect(err).toContain("--password-stdin");
    expect(err).toContain("--generate");
  });

  test.each([
    ["no email", ["create-user", "nobody", "--generate"], "", 1, "email"],
    [
      "a password of everybody's",
      ["create-user", "x@example.org", "--password-stdin"],
      "password1",
      1,
      "password",
    ],
    ["an empty password", ["create-user", "x@example.org", "--password-stdin"], "", 1, "password"],
    [
      "the email as password",
      ["create-user", "x@example.org", "--password-stdin"],
      "x@example.org",
      1,
      "email",
    ],
    [
      "two sources",
      ["create-user", "x@example.org", "--password-stdin", "--generate"],
      "",
      64,
      "cannot be used with",
    ],
    ["a password as argument", ["create-user", "x@example.org", "--password", "x"], "", 64, "unknown option"],
    ["a second argument", ["create-user", "x@example.org", "secret"], "", 64, "too many arguments"],
  ])("refuses %s", async (_what, args, input, code, words) => {
    const outcome = await run(args, input);
    expect(outcome.code).toBe(code);
    expect(outcome.err).toContain(words);
    expect(outcome.err).not.toContain("    at ");
  });

  test("refuses an email that is registered", async () => {
    const { email } = await register(server);
    const { code, err } = await run(["create-user", email.toUpperCase(), "--generate"]);
    expect([code, err]).toEqual([1, "trailglass: This email address is registered already\n"]);
  });
});

test("list-users lists all, also as JSON, and no secrets", async () => {
  const person = await register(server);
  await server.context.accounts.setDisabled(person.userId, true);
  const table = await run(["list-users"]);
  expect(table.out.split("\n").find((line) => line.startsWith(`${person.email} `))).toMatch(
    /Ada {2}disabled since \d{4}-/,
  );
  const list = JSON.parse((await run(["list-users", "--json"])).out);
  expect(list.find(({ id }: { id: string }) => id === person.userId)).toEqual({
    id: person.userId,
    email: person.email,
    displayName: "Ada",
    createdAt: expect.any(String),
    updatedAt: expect.any(String),
    disabledAt: expect.any(String),
  });
});

test("reset-password changes it and signs every device out", async () => {
  const person = await register(server);
  const args = ["reset-password", person.email.toUpperCase(), "--password-stdin"];
  expect((await run(args, "password1")).code).toBe(1);
  expect(await statusOf(server, person)).toBe(200);
  const { code, out } = await run(args, "a new good one\r\n");
  expect(code).toBe(0);
  expect(out).not.toContain("a new good one");
  expect(await statusOf(server, person)).toBe(401);
  expect((await sendLogin(server, person)).status).toBe(401);
  expect((await sendLogin(server, { ...person, password: "a new good one" })).status).toBe(200);
});

test("disable-user shuts an account while the server runs, --enable opens it", async () => {
  const person = await register(server);
  expect((await run(["disable-user", person.email])).code).toBe(0);
  expect(await statusOf(server, person)).toBe(401);
  expect((await sendLogin(server, person)).status).toBe(401);
  expect((await run(["disable-user", person.email, "--enable"])).code).toBe(0);
  expect(await statusOf(server, person)).toBe(401);
  expect(await statusOf(server, await login(server, person))).toBe(200);
});

describe("delete-user", () => {
  test("erases with --yes", async () => {
    const person = await register(server);
    const neighbour = await register(server);
    const { code, out } = await run(["delete-user", person.email, "--yes"]);
    expect([code, out]).toEqual([0, `Erased ${person.email} and everything it owned.\n`]);
    expect(await statusOf(server, person)).toBe(401);
    expect(await statusOf(server, neighbour)).toBe(200);
  });

  test("erases nothing without a terminal and without --yes", async () => {
    const person = await register(server);
    const { code, err } = await run(["delete-user", person.email]);
    expect(code).toBe(1);
    expect(err).toContain("--yes");
    expect(await statusOf(server, person)).toBe(200);
  });

  test("has the email typed at a terminal", async () => {
    const person = await register(server);
    const wrong = await converse(["delete-user", person.email], [["for ever", "yes"]]);
    expect(wrong.code).toBe(1);
    expect(await statusOf(server, person)).toBe(200);
    const right = await converse(["delete-user", person.email], [["for ever", person.email]]);
    expect(right.code).toBe(0);
    expect(await statusOf(server, person)).toBe(401);
  });
});

test.each([
  ["reset-password", "--generate"],
  ["disable-user", "--enable"],
  ["delete-user", "--yes"],
])("%s says when there is no such account", async (name, flag) => {
  const { code, err, out } = await run([name, "nobody@example.org", flag]);
  expect([code, out]).toEqual([1, ""]);
  expect(err).toContain("no account with the email nobody@example.org");
});

test("the prompt refuses what the rules refuse, and asks on", async () => {
  const { email } = await register(server);
  const { code, out } = await converse(
    ["reset-password", email],
    [
      ["Password", "short"],
      ["must have", `${"\u007f".repeat(5)}${goodPassword} two`],
      ["The same again", `${goodPassword} two`],
    ],
  );
  expect(out).toContain("must have 8 to 256 characters");
  expect(code).toBe(0);
  expect((await sendLogin(server, { email, password: `${goodPassword} two` })).status).toBe(200);
});
