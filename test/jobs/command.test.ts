import { afterAll, beforeAll, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { takeStatistics } from "../../src/health/daily-statistics.ts";
import { enqueue } from "../../src/jobs/queue.ts";
import { program } from "../support/program.ts";
import { startTestServer, type TestServer } from "../support/test-server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.stop());

async function run(...args: string[]) {
  const child = Bun.spawn([...program, ...args], {
    cwd: server.config.dataDir,
    env: { PATH: process.env.PATH ?? "", DATABASE_URL: server.databaseUrl, DATA_DIR: server.config.dataDir },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  return { code: await child.exited, out, err };
}

async function ask(kind: string, state: string, problem: string | null = null): Promise<string> {
  const id = (await enqueue(server.context.db, { kind })) as string;
  await server.context.db.execute(
    sql`UPDATE jobs SET state = ${state}, problem = ${problem} WHERE id = ${id}`,
  );
  return id;
}
const stateOf = async (id: string) => {
  const [row] = await server.context.db.execute(sql`SELECT state, attempts FROM jobs WHERE id = ${id}`);
  return row?.state;
};

test("jobs are listed, tried again and cancelled", async () => {
  expect(await run("jobs", "list")).toEqual({ code: 0, out: "There are none.\n", err: "" });
  const dead = await ask("backup", "dead", "the disk is full");
  const done = await ask("sweep", "done");
  const waiting = await ask("mail", "waiting");
  const { out } = await run("jobs", "list");
  expect(out).toContain(`${dead.slice(0, 8)}  backup            dead`);
  expect(out).toContain("    the disk is full\n");
  expect(out).toMatch(new RegExp(`${waiting.slice(0, 8)} {2}mail +waiting +due`));
  expect(out).not.toContain(done.slice(0, 8));
  const listed = JSON.parse((await run("jobs", "list", "--all", "--json")).out) as { id: string }[];
  expect(listed.map(({ id }) => id).sort()).toEqual([dead, done, waiting].sort());
  expect((await run("jobs", "list", "--state", "done")).out).toContain(done.slice(0, 8));

  expect((await run("jobs", "retry", dead.slice(0, 8))).code).toBe(0);
  expect(await stateOf(dead)).toBe("waiting");
  expect((await run("jobs", "cancel", waiting)).code).toBe(0);
  expect(await stateOf(waiting)).toBe("cancelled");
});

test("what cannot be is said in a line", async () => {
  const done = await ask("sweep", "done");
  const refusals: [string[], string][] = [
    [["retry", done], "It runs just now, or is done."],
    [["cancel", done], "It has ended already."],
    [["cancel", crypto.randomUUID()], "There is no job"],
    [["retry", "'; --"], "There is no job"],
  ];
  for (const [args, told] of refusals) {
    const { code, err } = await run("jobs", ...args);
    expect([code, err.split("\n").length]).toEqual([1, 2]);
    expect(err).toContain(told);
  }
});

test("statistics are a line a day", async () => {
  expect((await run("statistics")).out).toContain("There are none yet");
  await takeStatistics(server.context.db);
  await takeStatistics(server.context.db);
  const day = new Date().toISOString().slice(0, 10);
  const { out } = await run("statistics");
  expect(out.trim().split("\n")).toHaveLength(2);
  expect(out).toContain(day);
  const [first] = JSON.parse((await run("statistics", "--json", "--days", "1")).out);
  expect(first).toMatchObject({ accounts: 0, locations: 0, pictureBytes: 0 });
  expect(first.databaseBytes).toBeGreaterThan(1_000_000);
});
