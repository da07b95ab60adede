import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import { connect, type DatabaseClient, parseDatabaseUrl } from "../../src/database/client.ts";
import { defineJob, HopelessJob, type JobKind, type JobRun, pauseAfter } from "../../src/jobs/job.ts";
import { Lease } from "../../src/jobs/lease.ts";
import { makeUpForMissed, periodOf } from "../../src/jobs/missed.ts";
import {
  type ClaimedJob,
  cancel,
  claim,
  enqueue,
  forgetOldJobs,
  listJobs,
  renew,
  retryNow,
} from "../../src/jobs/queue.ts";
import { schedule } from "../../src/jobs/schedule-routes.ts";
import { tick } from "../../src/jobs/ticks.ts";
import { JobWorker, type RunEnd } from "../../src/jobs/worker.ts";
import { createLog } from "../../src/log.ts";
import { createTestDatabase, type TestDatabase } from "../support/shared-postgres.ts";
import { until } from "../support/until.ts";

let own: TestDatabase;
let client: DatabaseClient;
const lines: string[] = [];
const log = createLog({ level: "trace", format: "json", destination: { write: (line) => lines.push(line) } });

beforeAll(async () => {
  own = await createTestDatabase();
  client = connect(parseDatabaseUrl(own.url), 5);
});
afterAll(async () => {
  await client.close();
  await own.drop();
});

const workers: JobWorker[] = [];
const ends: RunEnd[] = [];
function workerOf(kinds: JobKind[]): JobWorker {
  const worker = new JobWorker({
    db: client.db,
    log,
    kinds,
    database: client,
    onEnd: (end) => ends.push(end),
  });
  workers.push(worker);
  return worker;
}
afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.stop()));
  await client.db.execute(sql`TRUNCATE jobs`);
  ends.length = 0;
  lines.length = 0;
});

const stateOf = async (id: string | null) => {
  const [row] = await client.db.execute<{
    state: string;
    attempts: number;
    problem: string | null;
    due: boolean;
  }>(sql`SELECT state, attempts, problem, run_at <= now() AS due FROM jobs WHERE id = ${id}`);
  return row;
};
/** As if a job's time, or its run's, had come. */
const hurry = () =>
  client.db.execute(sql`UPDATE jobs SET run_at = now(), lease_until = lease_until - interval '1 hour'`);

/** A kind whose runs wait until the test lets them go. */
function held(kind: string, options: Partial<JobKind> = {}) {
  const runs: { run: JobRun; end: (error?: Error) => void }[] = [];
  const job = defineJob(kind, {
    ...options,
    run: (_payload, run) =>
      new Promise<void>((resolve, reject) => {
        run.signal.addEventListener("abort", () => reject(run.signal.reason));
        runs.push({ run, end: (error) => (error ? reject(error) : resolve()) });
      }),
  });
  return { job, runs };
}

/** Does something in a transaction that is kept open until it is told to end. */
async function hold(statement: SQL) {
  const other = connect(parseDatabaseUrl(own.url), 1);
  const [held, told] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const done = other.db.transaction(async (tx) => {
    await tx.execute(statement);
    held.resolve();
    await told.promise;
  });
  await Promise.race([held.promise, done]);
  return {
    async end() {
      told.resolve();
      await done;
      await other.close();
    },
  };
}
const countLocked = async () => {
  const [row] = await client.db.execute<{ count: number }>(sql`
    SELECT count(*)::int AS count FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`);
  return row?.count ?? 0;
};
const untilLocked = (statements: number) => until(async () => (await countLocked()) >= statements);

describe("a job", () => {
  test("is done once, with what it was asked for", async () => {
    const seen: number[] = [];
    const kind = defineJob("count", {
      payload: z.object({ number: z.number() }),
      run: async ({ number }) => void seen.push(number),
    });
    const id = await enqueue(client.db, { kind: "count", payload: { number: 7 } });
    const worker = workerOf([kind]);
    expect(await worker.runDue()).toBe(1);
    expect(await worker.runDue()).toBe(0);
    expect(seen).toEqual([7]);
    expect(await stateOf(id)).toMatchObject({ state: "done", attempts: 1, problem: null });
    expect(ends).toEqual([{ kind: "count", state: "done", seconds: expect.any(Number) }]);
  });

  test("is there only when the transaction that asked for it commits", async () => {
    await client.db
      .transaction(async (tx) => {
        await enqueue(tx, { kind: "count" });
        throw new Error("undone");
      })
      .catch(() => {});
    expect(await listJobs(client.db, ["waiting"], 10)).toEqual([]);
  });

  test("begins as soon as somebody asks for it", async () => {
    const { job, runs } = held("quick");
    workerOf([job]).start();
    await until(async () => {
      const [row] = await client.db.execute(
        sql`SELECT 1 FROM pg_stat_activity WHERE query ILIKE 'listen%trailglass_jobs%' AND datname = current_database()`,
      );
      return row !== undefined;
    });
    await enqueue(client.db, { kind: "quick" });
    // Without being told, a worker looks every ten seconds.
    await until(() => runs.length === 1, 5000);
    runs[0]?.end();
  });

  test("of a key is asked for once", async () => {
    const first = await enqueue(client.db, { kind: "count", key: "a" });
    expect(first).toBeString();
    expect(await enqueue(client.db, { kind: "count", key: "a" })).toBeNull();
    expect(await enqueue(client.db, { kind: "other", key: "a" })).toBeString();
    expect(await enqueue(client.db, { kind: "count", key: "b" })).toBeString();
  });

  test("of a key is asked for again when its time is over, whatever became of it", async () => {
    const ask = (keyFor: number) => enqueue(client.db, { kind: "count", key: "a", keyFor });
    const first = await ask(3600);
    await client.db.execute(sql`UPDATE jobs SET created_at = now() - interval '59 minutes', state = 'dead'`);
    expect(await ask(3600)).toBeNull();
    await client.db.execute(sql`UPDATE jobs SET created_at = now() - interval '61 minutes'`);
    const asked = await Promise.all([ask(3600), ask(3600), ask(3600)]);
    expect(asked.filter(Boolean)).toHaveLength(1);
    expect(await stateOf(first)).toMatchObject({ state: "dead" });
  });

  test("goes with the account it is for", async () => {
    const userId = crypto.randomUUID();
    await client.db.execute(
      sql`INSERT INTO users (id, email, display_name) VALUES (${userId}, 'a@example.org', 'A')`,
    );
    await enqueue(client.db, { kind: "count", ownerId: userId });
    await client.db.execute(sql`DELETE FROM users`);
    expect(await listJobs(client.db, ["waiting"], 10)).toEqual([]);
  });

  test("of a kind that this program does not know is left to one that does", async () => {
    const id = await enqueue(client.db, { kind: "of the future" });
    expect(await workerOf([defineJob("count", { run: async () => {} })]).runDue()).toBe(0);
    expect(await stateOf(id)).toMatchObject({ state: "waiting", attempts: 0 });
  });
});

describe("a job that fails", () => {
  test("is tried again later, and is dead after its last attempt", async () => {
    const givenUp: string[] = [];
    const kind = defineJob("fails", {
      attempts: 3,
      run: async () => {
        throw new Error("the mail server is away");
      },
      givenUp: async (_tx, job) => void givenUp.push(job.id),
    });
    const worker = workerOf([kind]);
    const id = await enqueue(client.db, { kind: "fails" });
    expect(await worker.runDue()).toBe(1);
    const problem = "the mail server is away";
    expect(await stateOf(id)).toEqual({ state: "waiting", attempts: 1, problem, due: false });
    await hurry();
    await worker.runDue();
    expect(givenUp).toEqual([]);
    await hurry();
    await worker.runDue();
    expect(await stateOf(id)).toMatchObject({ state: "dead", attempts: 3, problem });
    expect(givenUp).toEqual([id as string]);
    expect(ends.map(({ state }) => state)).toEqual(["waiting", "waiting", "dead"]);
    expect(lines.filter((line) => line.includes('"level":"error"'))).toHaveLength(1);
  });

  test("and says that it is hopeless is given up at once", async () => {
    const givenUp: (string | null)[] = [];
    const kind = defineJob("fails", {
      attempts: 40,
      run: async () => {
        throw new HopelessJob("nobody has this address");
      },
      givenUp: async (_tx, _job, problem) => void givenUp.push(problem),
    });
    const id = await enqueue(client.db, { kind: "fails" });
    await workerOf([kind]).runDue();
    const problem = "nobody has this address";
    expect(await stateOf(id)).toMatchObject({ state: "dead", attempts: 1, problem });
    expect(givenUp).toEqual([problem]);
  });

  test("is dead only together with what follows from that", async () => {
    const kind = defineJob("fails", {
      attempts: 1,
      run: async () => {
        throw new Error("no");
      },
      givenUp: async (tx) => {
        await tx.execute(sql`SELECT 1 / 0`);
      },
    });
    const id = await enqueue(client.db, { kind: "fails" });
    const run = workerOf([kind]).runDue();
    await until(async () => lines.some((line) => line.includes("given up")));
    expect(await stateOf(id)).toMatchObject({ state: "running" });
    await client.db.execute(sql`DELETE FROM jobs`);
    await run.catch(() => {});
  });

  test("keeps nothing of what people wrote", async () => {
    const kind = defineJob("fails", {
      run: async () => {
        await client.db.execute(sql`SELECT ${"canary note"}::integer`);
      },
    });
    const id = await enqueue(client.db, { kind: "fails" });
    await workerOf([kind]).runDue();
    const { problem } = (await stateOf(id)) ?? {};
    expect(problem).toBe("PostgresError 22P02");
    expect(lines.join("")).not.toContain("canary");
  });

  test("that cannot even be read is no other", async () => {
    const kind = defineJob("strict", { payload: z.object({ id: z.uuid() }), run: async () => {} });
    const id = await enqueue(client.db, { kind: "strict", payload: { id: 5 } });
    await workerOf([kind]).runDue();
    expect(await stateOf(id)).toMatchObject({ state: "waiting", attempts: 1 });
  });

  test("waits twice as long each time, an hour at most", () => {
    const pauses = [1, 2, 3, 4, 20].map((attempt) => pauseAfter({ pause: 30 }, attempt, 0.5));
    expect(pauses).toEqual([30, 60, 120, 240, 3600]);
    expect(pauseAfter({ pause: 30 }, 1, 0)).toBe(24);
    expect(pauseAfter({ pause: 30 }, 1, 1)).toBeCloseTo(36);
  });
});

describe("beside others", () => {
  test("a job is one run's", async () => {
    const { job, runs } = held("shared", { atOnce: 10 });
    for (let n = 0; n < 20; n++) await enqueue(client.db, { kind: "shared" });
    const both = [workerOf([job]), workerOf([job])];
    for (const worker of both) worker.start();
    await until(() => runs.length === 20);
    expect(new Set(runs.map(({ run }) => run.job.id)).size).toBe(20);
    for (const { end } of runs) end();
    await until(() => ends.length === 20);
  });

  test("no more run at once than the kind allows, and other kinds do not wait for it", async () => {
    const slow = held("slow", { atOnce: 2 });
    const quick = held("quick");
    const worker = workerOf([slow.job, quick.job]);
    for (let n = 0; n < 4; n++) await enqueue(client.db, { kind: "slow" });
    await enqueue(client.db, { kind: "quick" });
    worker.start();
    await until(() => slow.runs.length === 2 && quick.runs.length === 1);
    quick.runs[0]?.end();
    await until(() => ends.length === 1);
    expect(slow.runs).toHaveLength(2);
    slow.runs[0]?.end();
    await until(() => slow.runs.length === 3);
  });

  test("one of a lane runs at a time, whoever takes it", async () => {
    const { job, runs } = held("export", { atOnce: 5 });
    for (const lane of ["ana", "ana", "ana", "ben"]) await enqueue(client.db, { kind: "export", lane });
    for (const worker of [workerOf([job]), workerOf([job])]) worker.start();
    await until(() => runs.length === 2);
    expect(await listJobs(client.db, ["running"], 10)).toHaveLength(2);
    for (const { end } of runs.slice()) end();
    await until(() => runs.length === 3);
    runs[2]?.end();
    await until(() => runs.length === 4);
    runs[3]?.end();
    await until(() => ends.length === 4);
  });

  test("two that take jobs of a lane at the same moment do not get both", async () => {
    for (let round = 0; round < 20; round++) {
      for (const lane of ["a", "a", "b", "b"]) await enqueue(client.db, { kind: "race", lane });
      const taken = await Promise.all([1, 2, 3, 4].map(() => claim(client.db, ["race"])));
      expect(taken.filter(Boolean)).toHaveLength(2);
      await client.db.execute(sql`TRUNCATE jobs`);
    }
  });

  test("a tick that several servers hear makes one job", async () => {
    const at = new Date("2025-11-17T03:30:00.100Z");
    const later = new Date("2025-11-17T03:30:04.900Z");
    await Promise.all([at, later, at].map((now) => tick(client.db, "backup", now)));
    expect(await listJobs(client.db, ["waiting"], 10)).toHaveLength(1);
    await workerOf([defineJob("backup", { run: async () => {} })]).runDue();
    await tick(client.db, "backup", later);
    expect(await listJobs(client.db, ["waiting"], 10)).toHaveLength(0);
    await tick(client.db, "backup", new Date("2025-11-18T03:30:00.000Z"));
    expect(await listJobs(client.db, ["waiting"], 10)).toHaveLength(1);
  });
});

test("times that come while a job runs for days make one job: it is done once for all of them", async () => {
  const minute = (at: number) => new Date(Date.UTC(2026, 0, 1, 3, at));
  await tick(client.db, "nightly", minute(0));
  await claim(client.db, ["nightly"]);
  for (const at of [1, 2, 3]) await tick(client.db, "nightly", minute(at));
  expect(await listJobs(client.db, ["waiting"], 10)).toHaveLength(1);
  expect(await listJobs(client.db, ["running"], 10)).toHaveLength(1);
});

test("a time that comes while the database is away is heard when it is back", async () => {
  const soon = new Date(Date.now() + 1500);
  const at = `${soon.getSeconds()} ${soon.getMinutes()} ${soon.getHours()} * * *`;
  const work = [defineJob("nightly", { at, run: async () => {} })];
  // Nothing was missed before.
  await enqueue(client.db, { kind: "nightly", key: "earlier" });
  await client.db.execute(sql`ALTER TABLE jobs RENAME TO jobs_away`);
  const isTold = () => lines.some((line) => line.includes("a scheduled job could not be asked for"));
  try {
    schedule({ work, log, db: client.db }, 20);
    await until(isTold);
  } finally {
    await client.db.execute(sql`ALTER TABLE jobs_away RENAME TO jobs`);
  }
  await until(async () => (await listJobs(client.db, ["waiting"], 10)).length === 2, 5000);
});

describe("a time that came while no server ran", () => {
  const nightly = defineJob("nightly", { at: "30 3 * * *", run: async () => {} });
  const asked = defineJob("asked for", { run: async () => {} });
  const madeAgo = (hours: number) =>
    client.db.execute(sql`UPDATE jobs SET created_at = now() - make_interval(hours => ${hours})`);

  test("is made up for, some minutes after the start, once", async () => {
    expect(await makeUpForMissed(client.db, [nightly, asked])).toEqual(["nightly"]);
    expect(await makeUpForMissed(client.db, [nightly, asked])).toEqual([]);
    expect(await workerOf([nightly]).runDue()).toBe(0);
    expect(await listJobs(client.db, ["waiting"], 10)).toHaveLength(1);
  });

  test("did not come when there was a job within its period", async () => {
    await tick(client.db, "nightly");
    await madeAgo(24);
    expect(await makeUpForMissed(client.db, [nightly])).toEqual([]);
    await madeAgo(26);
    expect(await makeUpForMissed(client.db, [nightly])).toEqual(["nightly"]);
  });

  test("is known also of what is done once a month, whose jobs ended long ago", async () => {
    const monthly = defineJob("monthly", { at: "30 3 1 * *", run: async () => {} });
    for (const day of [20, 9]) {
      await tick(client.db, "monthly", new Date(Date.now() - day * 86_400_000));
      await client.db.execute(sql`
        UPDATE jobs SET state = 'done', created_at = now() - make_interval(days => ${day}), finished_at = now() - make_interval(days => ${day})
        WHERE state = 'waiting'`);
    }
    await forgetOldJobs(client.db);
    expect(await listJobs(client.db, ["done"], 10)).toHaveLength(1);
    expect(await makeUpForMissed(client.db, [monthly])).toEqual([]);
  });

  test("is known for patterns that leave out days", () => {
    expect(periodOf("17 * * * *")).toBe(3600);
    // An hour more or less where clocks are put forward or back.
    expect(Math.abs(periodOf("30 3 * * 1-5") - 3 * 86_400)).toBeLessThanOrEqual(3600);
  });
});

test("a job is lost when its time is over, also when the database does not answer, who is asked once", async () => {
  await enqueue(client.db, { kind: "any" });
  const job = (await claim(client.db, ["any"])) as ClaimedJob;
  const held = await hold(sql`SELECT FROM jobs FOR UPDATE`);
  const lease = new Lease(client.db, job, 1);
  try {
    await until(() => lease.lost.aborted, 5000);
    expect(await countLocked()).toBe(1);
  } finally {
    lease.end();
    await held.end();
  }
});

describe("a server that ends", () => {
  test("gives back what it had begun, and that counts as no attempt", async () => {
    const { job, runs } = held("long");
    const id = await enqueue(client.db, { kind: "long" });
    const worker = workerOf([job]);
    worker.start();
    await until(() => runs.length === 1);
    await worker.stop();
    expect(await stateOf(id)).toMatchObject({ state: "waiting", attempts: 0, due: true });
    workerOf([job]).start();
    await until(() => runs.length === 2);
    runs[1]?.end();
    await until(async () => (await stateOf(id))?.state === "done");
  });

  test("begins nothing that it had just taken, whether or not that could be broken off", async () => {
    let runs = 0;
    const id = await enqueue(client.db, { kind: "deaf" });
    const worker = workerOf([defineJob("deaf", { run: async () => void runs++ })]);
    worker.start();
    await worker.stop();
    expect(runs).toBe(0);
    expect(await stateOf(id)).toMatchObject({ state: "waiting", attempts: 0, due: true });
  });

  test("does not wait for ever for a database that does not answer", async () => {
    const held = await hold(sql`LOCK TABLE jobs`);
    const worker = workerOf([defineJob("any", { run: async () => {} })]);
    worker.start();
    await untilLocked(1);
    await worker.stop(50);
    await held.end();
  });

  test("without a word leaves its jobs to others, once its time is over", async () => {
    const { job, runs } = held("long");
    const id = await enqueue(client.db, { kind: "long" });
    const dead = await claim(client.db, ["long"]);
    expect(dead?.id).toBe(id as string);
    const worker = workerOf([job]);
    worker.start();
    await Bun.sleep(50);
    expect(runs).toHaveLength(0);
    await hurry();
    worker.wake();
    await until(() => runs.length === 1);
    runs[0]?.end();
    await until(async () => (await stateOf(id))?.state === "done");
    expect((await stateOf(id))?.attempts).toBe(2);
  });

  test("while its clock was ahead leaves its jobs to others, too, and not for when that time comes", async () => {
    await enqueue(client.db, { kind: "any", lane: "any" });
    const first = await claim(client.db, ["any"]);
    expect(await claim(client.db, ["any"])).toBeNull();
    await client.db.execute(sql`UPDATE jobs SET lease_until = now() + interval '70 years'`);
    const second = await claim(client.db, ["any"]);
    expect(second).toMatchObject({ id: first?.id, attempts: 2 });
    expect(await renew(client.db, first as ClaimedJob)).toBe(false);
    expect(await claim(client.db, ["any"])).toBeNull();
  });

  test("in the middle of every attempt has its job given up", async () => {
    const kind = defineJob("deadly", { attempts: 2, run: async () => {} });
    const id = await enqueue(client.db, { kind: "deadly" });
    for (let death = 0; death < 2; death++) {
      await claim(client.db, ["deadly"]);
      await hurry();
    }
    await workerOf([kind]).runDue();
    expect(await stateOf(id)).toMatchObject({ state: "dead" });
  });

  test("and comes back to life finds its job another's", async () => {
    const id = await enqueue(client.db, { kind: "long" });
    const first = await claim(client.db, ["long"]);
    await hurry();
    const second = await claim(client.db, ["long"]);
    expect([first?.id, second?.id]).toEqual([id as string, id as string]);
    if (!first || !second) throw new Error("both had it");
    expect(await renew(client.db, first)).toBe(false);
    expect(await renew(client.db, second)).toBe(true);
  });
});

describe("an administrator", () => {
  test("has a dead job tried again, with all its attempts", async () => {
    let broken = true;
    const kind = defineJob("mended", {
      attempts: 1,
      run: async () => {
        if (broken) throw new Error("broken");
      },
    });
    const id = (await enqueue(client.db, { kind: "mended" })) as string;
    const worker = workerOf([kind]);
    await worker.runDue();
    expect(await stateOf(id)).toMatchObject({ state: "dead" });
    broken = false;
    expect(await retryNow(client.db, id)).toBe(true);
    await worker.runDue();
    expect(await stateOf(id)).toMatchObject({ state: "done", attempts: 1 });
    expect(await retryNow(client.db, id)).toBe(false);
  });

  test("cancels what waits and what runs, and what follows from that is done", async () => {
    const givenUp: string[] = [];
    const { job, runs } = held("long", {
      givenUp: async (_tx, { id }, problem) => void givenUp.push(problem ?? id),
    });
    const kinds = [job];
    const [running, waiting] = [
      await enqueue(client.db, { kind: "long" }),
      await enqueue(client.db, { kind: "long" }),
    ];
    workerOf(kinds).start();
    await until(() => runs.length === 1);
    for (const id of [running, waiting] as string[])
      expect(await client.db.transaction((tx) => cancel(tx, kinds, id))).toBe(true);
    expect(givenUp).toEqual([running, waiting] as string[]);
    expect(await client.db.transaction((tx) => cancel(tx, kinds, running as string))).toBe(false);
    runs[0]?.end();
    await until(() => ends.length === 1);
    expect(ends[0]?.state).toBe("lost");
    expect(await stateOf(running)).toMatchObject({ state: "cancelled" });
    expect(runs).toHaveLength(1);
  });
});

test("what ended long ago is forgotten, the dead last", async () => {
  const ids: Record<string, string | null> = {};
  for (const [state, days] of [
    ["done", 8],
    ["done", 6],
    ["cancelled", 8],
    ["dead", 8],
    ["dead", 91],
  ] as const) {
    const id = await enqueue(client.db, { kind: "old" });
    ids[`${state} ${days}`] = id;
    await client.db.execute(
      sql`UPDATE jobs SET state = ${state}, finished_at = now() - make_interval(days => ${days}) WHERE id = ${id}`,
    );
  }
  await forgetOldJobs(client.db);
  const left = await listJobs(client.db, ["done", "cancelled", "dead"], 10);
  expect(left.map(({ id }) => id).sort()).toEqual([ids["done 6"], ids["dead 8"]].sort() as string[]);
});
