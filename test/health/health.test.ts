import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "drizzle-orm";
import { stateOfRoom } from "../../src/health/disk.ts";
import { type Health, HealthReporter, judge, type Lookout } from "../../src/health/health.ts";
import { jobsLookout, mailLookout } from "../../src/health/job-lookouts.ts";
import { databaseLookout, diskLookout, storageLookout } from "../../src/health/lookouts.ts";
import { findJobTroubles } from "../../src/jobs/job-facts.ts";
import { Question } from "../../src/question.ts";
import { instantHasher } from "../accounts/people.ts";
import { holdTransaction } from "../support/held-transaction.ts";
import { newDevice } from "../support/sync-client.ts";
import { location } from "../support/sync-entities.ts";
import { startTestServer, type TestServer } from "../support/test-server.ts";

const answering = (status: string): Lookout => ({ look: async () => ({ status }) });
const silent: Lookout = { look: () => new Promise<null>(() => {}) };

const names = ["database", "storage", "mail", "jobs", "backup", "disk"] as const;
const allWell = Object.fromEntries(names.map((name) => [name, answering("ok")]));
const reporterOf = (parts: Record<string, Lookout>) =>
  new HealthReporter({ ...allWell, ...parts } as unknown as ConstructorParameters<typeof HealthReporter>[0]);

const statuses = ({ status, components }: Health): Record<string, string> => ({
  status,
  ...Object.fromEntries(Object.entries(components).map(([name, component]) => [name, component.status])),
});

describe("a server whose", () => {
  test.each([
    ["database", "unavailable", "unavailable"],
    ["storage", "unavailable", "degraded"],
    ["mail", "failing", "degraded"],
    ["jobs", "behind", "degraded"],
    ["jobs", "failing", "degraded"],
    ["backup", "stale", "degraded"],
    ["disk", "low", "degraded"],
    ["disk", "full", "degraded"],
    ["mail", "off", "ok"],
    ["mail", "unknown", "ok"],
    ["backup", "none", "ok"],
  ])("%s is %s is %s", async (name, status, whole) => {
    const report = await reporterOf({ [name]: answering(status) }).report();
    expect(statuses(report)).toMatchObject({ status: whole, [name]: status });
  });

  test("database nobody has asked is not taken for well", () => {
    expect(judge({}).status).toBe("unavailable");
  });
});

describe("a component", () => {
  test("that does not answer holds nobody up, and counts as away only where that matters", async () => {
    const report = await reporterOf({ storage: silent, mail: silent, backup: silent }).report();
    const { database: _database, jobs: _jobs, disk: _disk, ...rest } = statuses(report);
    expect(rest).toEqual({ status: "degraded", storage: "unavailable" });
  });

  test("that cannot be looked at is unknown", async () => {
    const broken: Lookout = { look: () => Promise.reject(new Error("no")) };
    expect(statuses(await reporterOf({ jobs: broken }).report())).toMatchObject({
      status: "ok",
      jobs: "unknown",
    });
  });
});

describe("a report", () => {
  test("is made once for all who ask, and kept; readiness asks the database alone, each time", async () => {
    const asked: string[] = [];
    const noting = (name: string): [string, Lookout] => [
      name,
      {
        async look() {
          asked.push(name);
          return { status: "ok" };
        },
      },
    ];
    const reporter = reporterOf(Object.fromEntries(names.map(noting)));
    const reports = await Promise.all(Array.from({ length: 20 }, () => reporter.report()));
    expect(new Set(reports).size).toBe(1);
    expect(await reporter.report()).toBe(reports[0] as Health);
    expect(asked.splice(0)).toEqual([...names]);
    await reporter.readiness();
    await reporter.readiness();
    expect(asked).toEqual(["database", "database"]);
  });

  test("a question is asked once for all who wait for its answer", async () => {
    const answers = [Promise.withResolvers<string>(), Promise.withResolvers<string>()];
    let asked = 0;
    const question = new Question(
      () => (answers[asked++] as PromiseWithResolvers<string>).promise,
      "late",
      20,
    );
    const early = await Promise.all([question.answer(), question.answer()]);
    expect([...early.map(({ found }) => found), asked]).toEqual(["late", "late", 1]);
    answers[0]?.resolve("here");
    expect((await question.answer()).found).toBe("here");
    answers[1]?.resolve("there");
    expect([(await question.answer()).found, asked]).toEqual(["there", 2]);
  });
});

describe("what a stranger reads", () => {
  let server: TestServer;
  let dataDir: string;
  beforeAll(async () => {
    dataDir = mkdtempSync(join(tmpdir(), "trailglass-health-"));
    // Where pictures should lie is a file: nothing can be stored there.
    writeFileSync(join(dataDir, "objects"), "");
    server = await startTestServer({ dataDir, storageBackend: "directory" }, { hasher: instantHasher });
  });
  afterAll(async () => {
    await server.stop();
    rmSync(dataDir, { recursive: true });
  });

  test("is how each component is, and nothing of why", async () => {
    const answer = await fetch(`${server.url}/health`);
    expect(answer.status).toBe(200);
    expect(answer.headers.get("cache-control")).toBe("no-store");
    const time = expect.any(Number);
    const disk = expect.stringMatching(/^(ok|low|full)$/);
    expect(await answer.json()).toEqual({
      status: "degraded",
      timestamp: expect.any(String),
      components: {
        database: { status: "ok", latencyMs: time },
        storage: { status: "unavailable", latencyMs: time },
        mail: { status: "off", latencyMs: time },
        jobs: { status: "ok", latencyMs: time },
        backup: { status: "none", newest: null, lastProven: null, latencyMs: time },
        disk: { status: disk, latencyMs: time },
      },
    });
  });

  test("phones sync while pictures cannot be stored, and the server is ready", async () => {
    const ada = await newDevice(server);
    expect((await ada.sync({ locations: [location("p1")] })).accepted.locations).toEqual(["p1"]);
    const ready = await fetch(`${server.url}/health/ready`);
    expect([ready.status, await ready.json()]).toEqual([
      200,
      {
        status: "ok",
        timestamp: expect.any(String),
        components: { database: { status: "ok", latencyMs: expect.any(Number) } },
      },
    ]);
  });
});

describe("looking", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer({ storageBackend: "directory" });
  });
  afterAll(() => server.stop());

  test("writes nothing", async () => {
    const { storage } = server.context;
    const called: string[] = [];
    const watched = new Proxy(storage, {
      get(target, name) {
        called.push(String(name));
        const value = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    expect(await storageLookout(watched).look()).toEqual({ status: "ok" });
    expect(called).toEqual(["stat"]);
    expect((await server.request("GET", "/health")).json.components.storage.status).toBe("ok");
    expect(existsSync(join(server.config.dataDir, "objects"))).toBe(false);
  });

  const gb = 1024 ** 3;
  test.each([
    [50, 100, "ok"],
    [9, 100, "ok"],
    [4, 100, "low"],
    [4, 30, "ok"],
    [0.9, 2, "low"],
    [0.1, 2, "full"],
    [0.1, 100, "full"],
  ])("at %p of %p GB", (free, total, status) => {
    expect(stateOfRoom({ free: free * gb, total: total * gb }) as string).toBe(status);
  });

  test("at a folder that is yet to be made tells of the disk that it will lie on", async () => {
    expect(await diskLookout("/nonexistent/anywhere").look()).toEqual(await diskLookout("/").look());
    expect((await diskLookout(server.config.dataDir).look())?.status).toMatch(/^(ok|low|full)$/);
    expect((await databaseLookout(server.context.db).look())?.status).toBe("ok");
  });
});

describe("jobs", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer();
  });
  afterAll(() => server.stop());

  /** Jobs, as they would be some time after they were due, begun or done. @param ago an interval of Postgres */
  async function jobs(...given: (readonly [kind: string, state: string, ago: string, problem?: string])[]) {
    const { db } = server.context;
    await db.execute(sql`TRUNCATE jobs`);
    for (const [kind, state, ago, problem = null] of given) {
      await db.execute(sql`
        INSERT INTO jobs (id, kind, payload, state, run_at, started_at, finished_at, problem, lease, lease_until)
        SELECT gen_random_uuid(), ${kind}, '{}', ${state}, at, at, CASE WHEN ${state} IN ('done', 'dead') THEN at END, ${problem}::text,
          CASE WHEN ${state} = 'running' THEN gen_random_uuid() END, CASE WHEN ${state} = 'running' THEN at + interval '30 seconds' END
        FROM (SELECT now() - ${ago}::interval AS at) times`);
    }
  }
  const jobsAre = async () => (await jobsLookout(server.context.db).look())?.status;
  const mail = { emailEnabled: true, emailProvider: "smtp" } as const;
  const mailIs = async () => (await mailLookout(mail, server.context.db).look())?.status;

  test.each([
    ["nothing to do", [], "ok"],
    ["done", [["backup", "done", "1 day"]], "ok"],
    ["waiting for its time", [["sweep", "waiting", "-1 hour"]], "ok"],
    ["waiting for a moment", [["sweep", "waiting", "1 minute"]], "ok"],
    ["waiting for long", [["sweep", "waiting", "1 hour"]], "behind"],
    [
      "waiting behind one that runs",
      [
        ["export", "waiting", "1 hour"],
        ["export", "running", "10 seconds"],
      ],
      "ok",
    ],
    ["left by a server that was killed", [["export", "running", "1 hour"]], "behind"],
    ["given up", [["backup", "dead", "1 hour"]], "failing"],
    [
      "given up, and done since",
      [
        ["backup", "dead", "2 hours"],
        ["backup", "done", "1 hour"],
      ],
      "ok",
    ],
    [
      "given up after it was done",
      [
        ["backup", "done", "2 hours"],
        ["backup", "dead", "1 hour"],
      ],
      "failing",
    ],
    [
      "given up, while others are done",
      [
        ["backup", "dead", "2 hours"],
        ["sweep", "done", "1 hour"],
      ],
      "failing",
    ],
    ["given up long ago", [["backup", "dead", "8 days"]], "ok"],
  ] as const)("%s", async (_what, given, expected) => {
    await jobs(...given);
    expect(await jobsAre()).toBe(expected);
  });

  test("waiting behind one that has run for more than a day, as if it never ended", async () => {
    await jobs(["backup", "waiting", "1 hour"], ["backup", "running", "23 hours"]);
    const renew = sql`UPDATE jobs SET lease_until = now() + interval '20 seconds' WHERE state = 'running'`;
    await server.context.db.execute(renew);
    expect(await jobsAre()).toBe("ok");
    await jobs(["backup", "waiting", "1 hour"], ["backup", "running", "25 hours"]);
    await server.context.db.execute(renew);
    expect(await jobsAre()).toBe("behind");
  });

  test("that cannot be counted are given up by the database: nothing piles up there, though many ask for long", async () => {
    const held = await holdTransaction(server, (tx) => tx.execute(sql`LOCK TABLE jobs`));
    const { db } = server.context;
    const looks = [jobsLookout(db), mailLookout(mail, db)].map((lookout) => lookout.look());
    const outcomes = await Promise.race([Promise.allSettled(looks), Bun.sleep(10_000)]);
    await held.commit();
    expect(outcomes).toMatchObject([{ status: "rejected" }, { status: "rejected" }]);
  });

  test("many that were given up cost no more than those that were done", async () => {
    const { db } = server.context;
    await db.execute(sql`TRUNCATE jobs`);
    await db.execute(sql`
      INSERT INTO jobs (id, kind, payload, state, finished_at)
      SELECT gen_random_uuid(), 'thumbnails', '{}', CASE WHEN i % 5 = 0 THEN 'dead' ELSE 'done' END,
        now() - CASE WHEN i % 5 = 0 THEN interval '1 day' ELSE interval '2 days' END
      FROM generate_series(1, 40000) i`);
    // Each of the dead was held against all that were done: a matter of seconds, and of minutes on a small machine.
    const found = await db.transaction(async (tx) => {
      await tx.execute(sql`SET LOCAL statement_timeout = '3s'`);
      return findJobTroubles(tx);
    });
    expect(found).toEqual({ waitingSeconds: 0, failingKinds: 1 });
  });

  test.each([
    ["none was sent", [], "unknown"],
    ["one is being sent", [["mail", "running", "1 second"]], "unknown"],
    [
      "the last one was sent",
      [
        ["mail", "dead", "2 hours"],
        ["mail", "done", "1 hour"],
      ],
      "ok",
    ],
    [
      "the last one failed, and is tried again",
      [
        ["mail", "done", "1 hour"],
        ["mail", "waiting", "1 minute", "ESOCKET"],
      ],
      "failing",
    ],
    [
      "the last one was given up",
      [
        ["mail", "done", "2 hours"],
        ["mail", "dead", "1 hour"],
      ],
      "failing",
    ],
    ["other jobs fail", [["backup", "dead", "1 hour"]], "unknown"],
  ] as const)("of mail: %s", async (_what, given, expected) => {
    await jobs(...given);
    expect(await mailIs()).toBe(expected);
  });

  test("no mail server is asked for what it does", async () => {
    const off = [
      { emailEnabled: false, emailProvider: "smtp" },
      { emailEnabled: true, emailProvider: "console" },
    ] as const;
    for (const settings of off)
      expect(await mailLookout(settings, server.context.db).look()).toEqual({ status: "off" });
  });
});
