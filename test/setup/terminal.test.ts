import { afterAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseEnv } from "node:util";
import { freePort, makePlace, type Place, type Terminal } from "../support/setup-runs.ts";
import { createTestDatabase, type TestDatabase } from "../support/shared-postgres.ts";

const places: { place: Place; terminal: Terminal; database: TestDatabase }[] = [];
afterAll(async () => {
  for (const { place, terminal, database } of places) {
    terminal.close();
    await terminal.ended;
    place.remove();
    await database.drop();
  }
});

const down = "\x1b[B";
const ctrlC = "\x03";

/** Begins a setup at a terminal, with a database that is there. */
async function begin(...flags: string[]) {
  const place = makePlace();
  const database = await createTestDatabase();
  const port = await freePort();
  const terminal = place.atTerminal(["setup", "--no-service", "--port", `${port}`, ...flags]);
  places.push({ place, terminal, database });
  return { place, terminal, database, port };
}

/** What a person sees and types, question after question, up to the last. */
function conversation({ place, database }: Awaited<ReturnType<typeof begin>>): [string, string][] {
  return [
    ["Where shall data live?", place.dataDir],
    ["Which database?", down],
    ["Its address, without the password", database.url],
    ["Its password", ""],
    ["Where shall photos be kept?", ""],
    ["How shall phones reach this server?", down],
    ["Address that phones will use", "https://trails.example.org"],
    ["Shall the server send mail?", ""],
    ["Backups?", ""],
    ["A second copy elsewhere?", ""],
    ["Shall backups be encrypted?", down],
    ["Make an account now?", ""],
    ["Email address", "ada@example.org"],
    ["Name", ""],
    ["Password", "a good password"],
    ["The same again", "a good password"],
  ];
}

async function converse(terminal: Terminal, answers: readonly [string, string][]): Promise<void> {
  for (const [words, answer] of answers) {
    await terminal.see(words);
    await terminal.answer(answer);
  }
}

describe("at a terminal", () => {
  test("setup asks, does, and shows the way; nothing secret", async () => {
    const run = await begin();
    await converse(run.terminal, conversation(run));
    expect(await run.terminal.ended).toBe(0);
    const screen = run.terminal.screen();
    expect(screen).toContain("Settings are in");
    expect(screen).toContain("The account ada@example.org is made");
    expect(screen).toContain("reach/Caddyfile");
    expect(screen).toContain("\x1b[38;5;16m\x1b[48;5;231m");
    const etc = join(run.place.folder, "etc");
    const passphrase = readFileSync(join(etc, "backup-passphrase"), "utf8").trim();
    const { JWT_SECRET = "" } = parseEnv(readFileSync(run.place.envFile, "utf8"));
    for (const secret of ["a good password", passphrase, JWT_SECRET]) expect(screen).not.toContain(secret);
    expect(readFileSync(join(etc, "reach/Caddyfile"), "utf8")).toContain("https://trails.example.org {");

    // Once more: what is there is proposed, and the return key keeps it.
    const before = readFileSync(run.place.envFile, "utf8");
    const again = run.place.atTerminal(["setup", "--no-service", "--database", "own"]);
    for (const [words] of conversation(run).slice(0, 12)) {
      if (words === "Which database?") continue;
      await again.see(words === "Address that phones will use" ? "Port to listen on" : words);
      await again.answer();
      if (words !== "Address that phones will use") continue;
      await again.see(words);
      await again.answer();
    }
    expect(await again.ended).toBe(0);
    expect(again.screen()).not.toContain(passphrase);
    expect(readFileSync(run.place.envFile, "utf8")).toBe(before);
  });

  test("an answer that does not work is asked for again, with the reason", async () => {
    const { place, terminal } = await begin("--port", "0");
    writeFileSync(join(place.folder, "file"), "");
    await terminal.see("Where shall data live?");
    await terminal.answer(join(place.folder, "file"));
    await terminal.see("is not a folder");
    await terminal.see("Where shall data live?");
    await terminal.answer(place.dataDir);
    await terminal.see("Which database?");
    await terminal.answer(down);
    await terminal.see("Its address, without the password");
    await terminal.answer("nonsense");
    await terminal.see("It must be a URL such as postgres://");
    terminal.press("\x15");
    await terminal.answer("postgres://u@127.0.0.1:1/d");
    await terminal.see("Its password");
    await terminal.answer("s3cret");
    await terminal.see("No database answers at 127.0.0.1:1");
    await terminal.see("Which database?");
    terminal.press(ctrlC);
    expect(await terminal.ended).toBe(130);
    expect(terminal.screen()).not.toContain("s3cret");
  });

  test("what a person can live with may be left as it is", async () => {
    const { place, terminal, database } = await begin(
      "--smtp-host",
      "127.0.0.1",
      "--smtp-port",
      "1",
      "--smtp-from",
      "a@b.example",
    );
    writeFileSync(join(place.folder, "url"), database.url);
    await terminal.see("Where shall data live?");
    await terminal.answer(place.dataDir);
    await terminal.see("Which database?");
    await terminal.answer();
    await terminal.see("Where shall photos be kept?");
    await terminal.answer();
    await terminal.see("How shall phones reach");
    await terminal.answer();
    await terminal.see("Address that phones will use");
    await terminal.answer("https://trails.example.org");
    await terminal.see("Shall the server send mail?");
    await terminal.answer();
    await terminal.see("User (empty: none)");
    await terminal.answer();
    await terminal.see("What now?");
    await terminal.answer(down);
    await terminal.see("Backups?");
    terminal.press(ctrlC);
    expect(await terminal.ended).toBe(130);
  });
});

describe("broken off", () => {
  test("by Ctrl-C at any question, nothing is there", async () => {
    const questions = Array.from({ length: 16 }, (_, at) => at);
    const breakOff = async (at: number) => {
      const run = await begin();
      const answers = conversation(run);
      expect(answers.length).toBe(questions.length);
      await converse(run.terminal, answers.slice(0, at));
      await run.terminal.see(answers[at]?.[0] ?? "");
      run.terminal.press(ctrlC);
      expect([at, await run.terminal.ended]).toEqual([at, 130]);
      expect(run.terminal.screen()).toContain("Nothing was changed on this machine.");
      expect(readdirSync(run.place.folder)).toEqual([]);
    };
    for (const first of questions.filter((at) => at % 4 === 0))
      await Promise.all(questions.slice(first, first + 4).map(breakOff));
  });

  test.each(["SIGTERM", "SIGINT"] as const)("by %s, too", async (signal) => {
    const { place, terminal } = await begin();
    await terminal.see("Where shall data live?");
    terminal.signal(signal);
    expect(await terminal.ended).toBe(130);
    expect(readdirSync(place.folder)).toEqual([]);
  });

  test("by a terminal that is gone, it ends as well", async () => {
    const { place, terminal } = await begin();
    await terminal.see("Where shall data live?");
    terminal.hangUp();
    expect(await terminal.ended).not.toBe(0);
    expect(readdirSync(place.folder)).toEqual([]);
  });
});
