/**
 * The database driver carries a patch (`patches/postgres@*.patch`) because a connection that is lost inside a
 * transaction used to crash the process, or to let the rest of the transaction run outside it. These tests take
 * connections away in every state and then ask the data what has really happened. An uncaught exception or an
 * unhandled rejection anywhere fails the run by itself: the test runner reports both.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { integer, pgTable, text } from "drizzle-orm/pg-core";
import { drizzle } from "drizzle-orm/postgres-js";
import postgres from "postgres";
import { startPostgres, type TestPostgres } from "../support/postgres.ts";

type Tx = postgres.TransactionSql;
type Statements = postgres.ISql;

const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);
/** No promise of the driver may take longer than this to settle, whatever happens to its connection. */
const BOUND_MS = 6_000;

setDefaultTimeout(4 * BOUND_MS);
const random = mulberry32(SEED);
const marks = pgTable("marks", { tag: text().notNull(), step: integer().notNull() });

let server: TestPostgres;
let admin: postgres.Sql;
let slowest = 0;

beforeAll(async () => {
  console.log(`driver faults: SEED=${SEED}`);
  server = await startPostgres();
  admin = openPool("admin", 2);
  // `txid` is the transaction that a row's statement ran in. From a savepoint on, rows have an xmin of their own:
  // such steps count from 100.
  await admin.unsafe(`
    create table marks (tag text not null, step int not null, txid bigint not null default txid_current());
    create table slow (tag text not null);
    create function dawdle() returns trigger language plpgsql as 'begin perform pg_sleep(1); return null; end';
    create table stalled (tag text not null);
    create trigger dawdle after insert on stalled for each statement execute function dawdle();
    create constraint trigger dawdle after insert on slow deferrable initially deferred
      for each row execute function dawdle();
  `);
});

afterAll(async () => {
  await admin?.end({ timeout: 1 });
  await server?.stop();
  console.log(`driver faults: slowest answer ${Math.round(slowest)} ms`);
});

describe("a transaction whose backend is killed", () => {
  /** Each body writes a row, loses its backend at the moment that its name tells, and tries to go on. */
  const moments: Record<string, (tx: Tx, tag: string, kill: () => Promise<unknown>) => Promise<unknown>> = {
    "between statements": async (tx, tag, kill) => {
      await kill();
      await mark(tx, tag, 2);
    },
    "between statements, going on after the pool has reconnected": async (tx, tag, kill) => {
      await kill();
      await Bun.sleep(60);
      await expectAllRejected([mark(tx, tag, 2), simpleMark(tx, tag, 3), mark(tx, tag, 4)]);
    },
    "between statements, all errors swallowed": async (tx, tag, kill) => {
      await kill();
      for (let step = 2; step < 10; step++) {
        await mark(tx, tag, step).catch(() => undefined);
        await Bun.sleep(5);
      }
    },
    "during a statement": async (tx, tag, kill) => {
      setTimeout(kill, 20);
      await expectAllRejected([tx`select pg_sleep(5)`]);
      await mark(tx, tag, 2);
    },
    "with statements sent and statements queued": async (tx, tag, kill) => {
      const sent = [tx.unsafe("select pg_sleep(5)"), ...range(10).map((step) => simpleMark(tx, tag, step))];
      const queued = range(10).map((step) => tx`insert into marks (tag, step) values (${tag}, ${step})`);
      setTimeout(kill, 20);
      await expectAllRejected([...sent, ...queued]);
    },
    "inside a savepoint": async (tx, tag, kill) => {
      const inner = tx.savepoint(async (savepoint) => {
        await mark(savepoint, tag, 100);
        await kill();
        await mark(savepoint, tag, 101);
      });
      await expectAllRejected([inner]);
      await mark(tx, tag, 2);
    },
    "inside a savepoint, during a statement": async (tx, tag, kill) => {
      const inner = tx.savepoint((savepoint) => [savepoint`select pg_sleep(5)`, mark(savepoint, tag, 100)]);
      setTimeout(kill, 20);
      await expectAllRejected([inner]);
      await mark(tx, tag, 2);
    },
    "while a cursor's reader is busy": async (tx, _tag, kill) => {
      let rows = 0;
      const reading = (async () => {
        for await (const batch of tx`select * from generate_series(1, 5000)`.cursor(10)) {
          rows += batch.length;
          if (rows === 30) await kill();
          if (rows === 30) await Bun.sleep(40);
        }
      })();
      await expectAllRejected([reading]);
      expect(rows).toBeLessThan(5000);
    },
    "while a cursor's callback is busy": async (tx, _tag, kill) => {
      await tx`select * from generate_series(1, 5000)`.cursor(10, async () => {
        await kill();
        await Bun.sleep(40);
      });
    },
    "while a cursor's callback is busy, which then throws": async (tx, _tag, kill) => {
      const reading = tx`select * from generate_series(1, 5000)`.cursor(10, async () => {
        await kill();
        await Bun.sleep(40);
        throw new Error("changed its mind");
      });
      await expectAllRejected([reading]);
      await tx`select 1`;
    },
    "with a large answer in flight": async (tx, _tag, kill) => {
      let rows = 0;
      const answer = tx`
        select repeat('x', 200) from generate_series(1, 100000) i where i < 100000 or pg_sleep(5) is not null`;
      await answer.forEach(() => {
        if (++rows === 1000) kill();
      });
    },
    "during COMMIT": async (tx, tag, kill) => {
      await tx`insert into slow (tag) values (${tag})`;
      setTimeout(kill, 40);
    },
    "while it copies in": async (tx, tag, kill) => {
      const table = await tx`copy marks (tag, step) from stdin`.writable();
      const lines = async function* () {
        for (let line = 0; line < 2000; line++) {
          yield `${tag}\t${line}\n`;
          if (line === 1000) await kill();
        }
      };
      await pipeline(Readable.from(lines()), table);
    },
    "while it ends copying in": async (tx, tag, kill) => {
      const table = await tx`copy stalled (tag) from stdin`.writable();
      setTimeout(kill, 40);
      await expectAllRejected([pipeline(Readable.from([`${tag}\n`]), table)]);
      await mark(tx, tag, 2);
    },
    "while it copies out": async (tx, _tag, kill) => {
      let chunks = 0;
      const rows = await tx`copy (
        select repeat('x', 200) from generate_series(1, 100000) i where i < 100000 or pg_sleep(5) is not null
      ) to stdout`.readable();
      // Reading goes on meanwhile: a backend that waits for its reader may not notice that it is to end.
      for await (const _chunk of rows) if (++chunks === 10) kill();
    },
  };

  for (const [moment, body] of Object.entries(moments)) {
    test(moment, async () => {
      for (const max of [1, 2, 5]) {
        const ledger = new Ledger();
        const sql = openPool("moment", max);
        const bodies: Promise<unknown>[] = [];
        const victims = range(max).map((n) => {
          const tag = `${moment}-${max}-${n}`;
          return ledger.attempt(tag, 1, async (finished) => {
            await sql.begin(async (tx) => {
              const [backend] = await tx<{ pid: number }[]>`select pg_backend_pid() as pid`;
              await mark(tx, tag, 1);
              // The transaction rejects as soon as its connection is lost, and does not wait for this.
              bodies.push(body(tx, tag, () => terminate(backend?.pid ?? 0)));
              await bodies.at(-1);
              finished();
            });
          });
        });
        // Others' work waits for the very connections that are about to die, and gets their successors.
        const others = range(6).map(async (n) => {
          await Bun.sleep(n * 10);
          const tag = `${moment}-${max}-other-${n}`;
          await ledger.attempt(tag, 2, (finished) => twoMarks(sql, tag, finished));
        });
        await Promise.all([...victims, ...others]);
        for (const { error } of await Promise.all(bodies.map(settled)))
          if (error && !isLoss(error)) throw error;
        await expectHealthy(sql, max);
        await ledger.verify(`${moment}-${max}-`);
        for (const victim of range(max)) {
          expect(ledger.outcome(`${moment}-${max}-${victim}`)).toBe("failed");
          expect(await rowsOf(`${moment}-${max}-${victim}`)).toBe(0);
        }
        await sql.end({ timeout: 1 });
      }
    });
  }

  test("before BEGIN is sent", async () => {
    const ledger = new Ledger();
    const sql = openPool("moment", 1);
    for (const round of range(25)) {
      const tag = `before-${round}`;
      await expectHealthy(sql, 1);
      const [backend] = await sql<{ pid: number }[]>`select pg_backend_pid() as pid`;
      const killed = terminate(backend?.pid ?? 0);
      await Bun.sleep(random() * 3);
      await ledger.attempt(tag, 2, (finished) => twoMarks(sql, tag, finished));
      await killed;
    }
    await expectHealthy(sql, 1);
    await ledger.verify("before-");
    await sql.end({ timeout: 1 });
  });
});

test("a storm of killed backends and server restarts under a mixed load loses and mixes up nothing", async () => {
  const ledger = new Ledger();
  const pools = [2, 3, 5].map((max) => ({ max, sql: openPool("storm", max) }));
  const deadline = performance.now() + 4_000;
  let kills = 0;
  const killer = (async () => {
    while (performance.now() < deadline) {
      const victim = await admin`
        select pg_terminate_backend(pid) from pg_stat_activity
        where application_name = 'storm' order by random() limit 1`.catch(() => []);
      kills += victim.length;
      await Bun.sleep(random() * 25);
    }
  })();
  const restarts = (async () => {
    await Bun.sleep(1_200);
    await server.restart("immediate");
    await Bun.sleep(1_200);
    await server.restart("fast");
  })();
  const workers = pools.flatMap(({ max, sql }) =>
    range(max * 3).map(async (worker) => {
      for (let n = 0; performance.now() < deadline; n++)
        await mixedLoad(ledger, sql, `storm-${max}-${worker}-${n}`);
    }),
  );
  await Promise.all([killer, restarts, ...workers]);
  for (const { max, sql } of pools) await expectHealthy(sql, max);
  const { committed, failed } = await ledger.verify("storm-");
  console.log(`driver faults: storm with ${kills} kills, ${committed} committed, ${failed} failed`);
  expect(Math.min(kills, committed, failed)).toBeGreaterThan(40);
  await Promise.all(pools.map(({ sql }) => sql.end({ timeout: 1 })));
});

describe("a socket that is cut", () => {
  test("after COMMIT has reached the server and before its answer: the transaction rejects", async () => {
    const proxy = await openProxy(7000);
    const sql = openPool("cut", 1, proxy.port);
    const outcome = await settled(
      sql.begin(async (tx) => {
        await mark(tx, "lost-answer", 1);
        proxy.cutAfter("commit");
      }),
    );
    expect(outcome.error?.code).toBe("CONNECTION_CLOSED");
    expect(await rowsOf("lost-answer")).toBe(1);
    await expectHealthy(sql, 1);
    await sql.end({ timeout: 1 });
    proxy.close();
  });

  test("after any number of bytes, in either direction", async () => {
    const ledger = new Ledger();
    const script = async (sql: postgres.Sql, tag: string, finished: () => void) => {
      await sql.begin(async (tx) => {
        await Promise.all([mark(tx, tag, 1), simpleMark(tx, tag, 2)]);
        await tx.savepoint((savepoint) => mark(savepoint, tag, 100));
        finished();
      });
    };
    const measure = await openProxy(7001);
    const whole = openPool("cut", 1, measure.port);
    await ledger.attempt("cut-none", 3, (finished) => script(whole, "cut-none", finished));
    await whole.end({ timeout: 1 });
    measure.close();

    const rounds = range(96);
    while (rounds.length) {
      await Promise.all(
        rounds.splice(0, 8).map(async (round) => {
          const proxy = await openProxy(7100 + round);
          const direction = random() < 0.5 ? "up" : "down";
          proxy.budget[direction] = Math.floor(random() * measure.seen[direction]);
          const sql = openPool("cut", 1, proxy.port);
          const tag = `cut-${round}`;
          await ledger.attempt(tag, 3, (finished) => script(sql, tag, finished));
          await expectHealthy(sql, 1);
          await sql.end({ timeout: 1 });
          proxy.close();
        }),
      );
    }
    const { failed } = await ledger.verify("cut-");
    expect(failed).toBeGreaterThan(60);
  });
});

test("a pool that waits for its last statement to end comes to its end when that is lost", async () => {
  const sql = openPool("ending", 1);
  const [backend] = await sql<{ pid: number }[]>`select pg_backend_pid() as pid`;
  const last = expectAllRejected([sql`select pg_sleep(5)`]);
  await Bun.sleep(10);
  const end = settled(sql.end());
  await Bun.sleep(10);
  await terminate(backend?.pid ?? 0);
  await last;
  expect((await end).error).toBeUndefined();
});

test("a server that goes away while the password is looked up", async () => {
  const port = 7999;
  const listener = createServer((client) => {
    client.on("error", () => undefined);
    client.on("data", () => {
      client.write(Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 3]));
      setTimeout(() => client.destroy(), 5);
    });
  });
  await new Promise<void>((done) => listener.listen(join(server.socketDir, `.s.PGSQL.${port}`), done));
  const password = () => Bun.sleep(20).then(() => "secret");
  const sql = postgres({ ...connection("password", 2, port), password });
  await expectAllRejected(range(4).map(() => sql`select 1`));
  await Bun.sleep(30);
  await sql.end({ timeout: 1 });
  listener.close();
});

describe("a reserved connection", () => {
  test("whose backend is killed rejects what is sent, queued and still to come", async () => {
    const sql = openPool("reserved", 2);
    const held = await sql.reserve();
    const [backend] = await held<{ pid: number }[]>`select pg_backend_pid() as pid`;
    setTimeout(() => terminate(backend?.pid ?? 0), 20);
    const waiting = [held.unsafe("select pg_sleep(5)"), simpleMark(held, "held", 1), mark(held, "held", 2)];
    await expectAllRejected(waiting);
    await expectAllRejected([mark(held, "held", 3)]);
    await expectHealthy(sql, 2);
    await expectAllRejected([mark(held, "held", 4)]);
    expect(await rowsOf("held")).toBe(0);
    await sql.end({ timeout: 1 });
  });

  test("that is released late or twice takes nothing from its next owner", async () => {
    for (const killed of [true, false]) {
      const tag = `released-${killed}`;
      const sql = openPool("reserved", 1);
      const held = await sql.reserve();
      const [backend] = await held<{ pid: number }[]>`select pg_backend_pid() as pid`;
      if (killed) await terminate(backend?.pid ?? 0);
      else held.release();
      const [, stranger] = await Promise.all([
        sql.begin(async (tx) => {
          await mark(tx, tag, 1);
          held.release();
          await expectAllRejected([mark(held, `${tag}-late`, 1)]);
          await Bun.sleep(20);
          await mark(tx, tag, 2);
        }),
        Bun.sleep(10).then(
          () => sql<{ open: boolean }[]>`select txid_current_if_assigned() is not null as open`,
        ),
      ]);
      expect(stranger[0]?.open).toBe(false);
      expect(await rowsOf(tag)).toBe(2);
      await sql.end({ timeout: 1 });
    }
  });

  test("that somebody waits for comes, although the connection that was to be free died", async () => {
    const sql = openPool("reserved", 1);
    const running = sql.begin(async (tx) => {
      const [backend] = await tx<{ pid: number }[]>`select pg_backend_pid() as pid`;
      await Bun.sleep(20);
      await terminate(backend?.pid ?? 0);
      await tx`select 1`;
    });
    const waiting = Bun.sleep(10).then(() => sql.reserve());
    await expectAllRejected([running]);
    const held = await settled(waiting);
    expect(held.error).toBeUndefined();
    const sqlHeld = held.value as postgres.ReservedSql;
    expect((await sqlHeld`select 1 as one`)[0]?.one).toBe(1);
    sqlHeld.release();
    await expectHealthy(sql, 1);
    await sql.end({ timeout: 1 });
  });
});

describe("on one connection", () => {
  test("a statement that cannot be built leaves its neighbours their own answers", async () => {
    const sql = openPool("answers", 1);
    await sql`select 1`;
    const first = sql`select 'first' as word, pg_sleep(0.05)`.execute();
    const broken = settled(sql.unsafe("select $1::text as word", [undefined as unknown as string]));
    const last = sql`select 'last' as word`.execute();
    expect((await broken).error?.code).toBe("UNDEFINED_VALUE");
    expect((await first)[0]?.word).toBe("first");
    expect((await last)[0]?.word).toBe("last");
    await sql.end({ timeout: 1 });
  });

  test("an answer that fails half way leaves no empty rows in the next one", async () => {
    const sql = openPool("answers", 1);
    await expectAllRejected([sql`select repeat('x', 100), 1 / (500 - i) from generate_series(1, 1000) i`]);
    expect((await sql`select 1 as one`).length).toBe(1);
    await sql.end({ timeout: 1 });
  });

  test("a BEGIN that fills the pipeline owns the connection like any other", async () => {
    const sql = postgres(Object.assign(connection("answers", 1), { max_pipeline: 2 }));
    await sql`select 1`;
    const busy = range(2).map(() => sql`select pg_sleep(0.03)`.execute());
    const outcome = settled(sql.begin((tx) => [mark(tx, "pipeline", 1), tx`select pg_sleep(0.05)`]));
    await Bun.sleep(80);
    const stranger = await sql`select txid_current_if_assigned() is not null as open`;
    expect((await outcome).error).toBeUndefined();
    expect(stranger[0]?.open).toBe(false);
    await Promise.all(busy);
    await sql.end({ timeout: 1 });
  });

  test("a transaction does not report success when the server has rolled it back", async () => {
    const sql = openPool("answers", 1);
    const outcome = await settled(
      sql.begin(async (tx) => {
        await mark(tx, "rolled-back", 1);
        tx`select 1 / 0`.catch(() => undefined);
        return "done";
      }),
    );
    expect(outcome.error?.code).toBe("22012");
    expect(await rowsOf("rolled-back")).toBe(0);
    await sql.end({ timeout: 1 });
  });

  test("a statement that comes after its transaction's end is refused", async () => {
    const sql = openPool("answers", 1);
    for (const rollback of [false, true]) {
      const late: Promise<Settled<unknown>>[] = [];
      const outcome = settled(
        sql.begin(async (tx) => {
          for (const delay of [0, 1, 2, 5, 20]) {
            late.push(Bun.sleep(delay).then(() => settled(mark(tx, `late-${rollback}`, delay))));
          }
          await mark(tx, `late-${rollback}`, 100);
          if (rollback) throw new Error("changed its mind");
        }),
      );
      const next = sql.begin(async (tx) => [await mark(tx, "next", 1), await tx`select pg_sleep(0.04)`]);
      expect(Boolean((await outcome).error)).toBe(rollback);
      await next;
      const refused = (await Promise.all(late)).filter(({ error }) => error?.code === "TRANSACTION_ENDED");
      expect(refused.length).toBeGreaterThan(0);
      const rows = await admin`select count(distinct txid)::int from marks where tag = ${`late-${rollback}`}`;
      expect(rows[0]?.count).toBe(rollback ? 0 : 1);
    }
    await sql.end({ timeout: 1 });
  });

  test("a late sign of a drained socket does not lend a transaction's connection to others", async () => {
    let socket: Socket | undefined;
    const dial = () => {
      socket = connect(join(server.socketDir, `.s.PGSQL.${server.port}`));
      return new Promise((done) => socket?.once("connect", () => done(socket)));
    };
    const sql = postgres(Object.assign(connection("answers", 1), { socket: dial }));
    const [stranger] = await sql.begin(async (tx) => {
      await mark(tx, "drained", 1);
      const waiting = sql`select txid_current_if_assigned() is not null as open`.execute();
      socket?.emit("drain");
      await Bun.sleep(20);
      return [waiting];
    });
    expect((await stranger)?.[0]?.open).toBe(false);
    await sql.end({ timeout: 1 });
  });
});

/** What was tried under which tag, what the driver said of it, and whether the data agree. */
class Ledger {
  readonly #entries = new Map<
    string,
    { expected: number; finished: boolean; outcome: "committed" | "failed" }
  >();

  /** `work` calls `finished` as the last thing before its COMMIT: a loss after that may go either way. */
  async attempt(
    tag: string,
    expected: number,
    work: (finished: () => void) => PromiseLike<unknown>,
  ): Promise<void> {
    const entry = { expected, finished: false, outcome: "failed" as "committed" | "failed" };
    this.#entries.set(tag, entry);
    const { error } = await settled(
      work(() => {
        entry.finished = true;
      }),
    );
    entry.outcome = error ? "failed" : "committed";
    if (error && !isLoss(error)) throw error;
  }

  outcome(tag: string): string | undefined {
    return this.#entries.get(tag)?.outcome;
  }

  /** Throws unless each transaction is there as a whole and alone in its transaction, or not at all. */
  async verify(prefix: string): Promise<{ committed: number; failed: number }> {
    const rows = await admin<{ tag: string; step: number; txid: string; xmin: string }[]>`
      select tag, step, txid::text, xmin::text from marks where starts_with(tag, ${prefix})`;
    const byTag = Map.groupBy(rows, (row) => row.tag);
    const byTransaction = Map.groupBy(rows, (row) => row.txid);
    const faults: string[] = [];
    for (const [txid, members] of byTransaction) {
      const tags = new Set(members.map((row) => row.tag));
      if (tags.size !== 1) faults.push(`transaction ${txid} holds ${[...tags].join(" and ")}`);
    }
    for (const [tag, members] of byTag) {
      const entry = this.#entries.get(tag);
      if (!entry) faults.push(`${tag} wrote although it was over`);
      else if (members.length !== entry.expected)
        faults.push(`${tag} has ${members.length} of ${entry.expected}`);
      else if (entry.outcome === "failed" && !entry.finished)
        faults.push(`${tag} failed early, and is there`);
      if (new Set(members.map((row) => row.txid)).size !== 1)
        faults.push(`${tag} is spread over transactions`);
      const strays = members.filter((row) =>
        row.step < 100 ? row.xmin !== row.txid : +row.xmin <= +row.txid,
      );
      if (strays.length) faults.push(`${tag} has rows of another xmin`);
    }
    let committed = 0;
    for (const [tag, entry] of this.#entries) {
      if (entry.outcome === "committed") committed++;
      if (entry.outcome === "committed" && !byTag.has(tag))
        faults.push(`${tag} was reported committed, and is gone`);
    }
    expect(faults).toEqual([]);
    return { committed, failed: this.#entries.size - committed };
  }
}

/** One piece of work of a random kind; afterwards its transaction is used once more, which must never work. */
async function mixedLoad(ledger: Ledger, sql: postgres.Sql, tag: string): Promise<void> {
  let scope: Statements | undefined;
  const begin = (expected: number, body: (tx: Tx) => Promise<unknown>) =>
    ledger.attempt(tag, expected, (finished) =>
      sql.begin(async (tx) => {
        scope = tx;
        await body(tx);
        finished();
      }),
    );
  const kinds = [
    () =>
      ledger.attempt(tag, 1, (finished) => {
        finished();
        return mark(sql, tag, 1);
      }),
    () => begin(3, (tx) => inTurn([1, 2, 3], (step) => mark(tx, tag, step), random() * 8)),
    () =>
      begin(8, (tx) => Promise.all(range(8).map((step) => (step % 2 ? mark : simpleMark)(tx, tag, step)))),
    () => begin(2, (tx) => inTurn([1, 2], (step) => [mark(tx, tag, step), tx`select pg_sleep(0.01)`])),
    () => begin(1, async (tx) => [await mark(tx, tag, 1), await tx`select * from generate_series(1, 20000)`]),
    () => begin(2, (tx) => inTurn([1, 2], (step) => mark(tx, tag, step).catch(() => Bun.sleep(10)))),
    () => begin(3, (tx) => savepoints(tx, tag)),
    () => begin(2, (tx) => cursor(tx, tag)),
    () =>
      ledger.attempt(tag, 3, async (finished) => {
        await drizzle({ client: sql }).transaction(async (tx) => {
          await tx.insert(marks).values({ tag, step: 1 });
          await tx.transaction((nested) => nested.insert(marks).values({ tag, step: 100 }));
          await Bun.sleep(random() * 8);
          await Promise.all([tx.select().from(marks).limit(50), tx.insert(marks).values({ tag, step: 101 })]);
          finished();
        });
      }),
    () =>
      ledger.attempt(tag, 2, async (finished) => {
        const held = await sql.reserve();
        scope = held;
        try {
          await held`begin`;
          await inTurn([1, 2], (step) => mark(held, tag, step), random() * 5);
          finished();
          await held`commit`;
        } finally {
          held.release();
        }
      }),
  ];
  await kinds[Math.floor(random() * kinds.length)]?.();
  await Bun.sleep(random() * 10);
  if (scope) await expectAllRejected([mark(scope, `${tag}-late`, 1)]);
}

async function savepoints(tx: Tx, tag: string): Promise<void> {
  await mark(tx, tag, 1);
  await tx.savepoint((savepoint) => mark(savepoint, tag, 100));
  const undone = tx.savepoint(async (savepoint) => {
    await mark(savepoint, tag, 101);
    throw new Error("changed its mind");
  });
  await undone.catch(() => undefined);
  await mark(tx, tag, 102);
}

async function cursor(tx: Tx, tag: string): Promise<void> {
  await mark(tx, tag, 1);
  let rows = 0;
  for await (const batch of tx`select * from generate_series(1, 200)`.cursor(20)) {
    rows += batch.length;
    await Bun.sleep(1);
  }
  expect(rows).toBe(200);
  await mark(tx, tag, 2);
}

async function twoMarks(sql: postgres.Sql, tag: string, finished: () => void): Promise<void> {
  await sql.begin(async (tx) => {
    await mark(tx, tag, 1);
    await Bun.sleep(10);
    await mark(tx, tag, 2);
    finished();
  });
}

/** A parameter makes the driver ask for its type first: such a statement waits in the driver until that is known. */
function mark(sql: Statements, tag: string, step: number) {
  return sql`insert into marks (tag, step) values (${tag}, ${step})`;
}

/** A statement without parameters is sent at once, behind those that still run. */
function simpleMark(sql: Statements, tag: string, step: number) {
  return sql.unsafe(`insert into marks (tag, step) values ('${tag}', ${step})`);
}

async function rowsOf(tag: string): Promise<number> {
  return (await admin`select 1 from marks where tag = ${tag}`).length;
}

/** Resolves when the backend is really gone; its client may not have noticed that yet. */
async function terminate(pid: number): Promise<void> {
  await admin`select pg_terminate_backend(${pid})`;
  while ((await admin`select 1 from pg_stat_activity where pid = ${pid}`).length) await Bun.sleep(1);
}

/** All connections of the pool serve transactions again, without any help. */
async function expectHealthy(sql: postgres.Sql, max: number): Promise<void> {
  const deadline = performance.now() + BOUND_MS;
  for (;;) {
    // A connection whose end has not been noticed yet may still fail one piece of work.
    const outcomes = await Promise.all(
      range(max * 2).map(() => settled(sql.begin((tx) => tx`select pg_sleep(0.002), pg_backend_pid()`))),
    );
    const failure = outcomes.find(({ error }) => error)?.error;
    if (!failure) break;
    if (!isLoss(failure) || performance.now() > deadline) throw failure;
  }
}

interface Settled<T> {
  value?: T;
  error?: Error & { code?: string };
}

async function settled<T>(work: PromiseLike<T>): Promise<Settled<T>> {
  const started = performance.now();
  let alarm: ReturnType<typeof setTimeout> | undefined;
  const hang = new Promise<never>((_, reject) => {
    alarm = setTimeout(() => reject(new Error("a promise of the driver did not settle")), BOUND_MS);
  });
  const outcome = Promise.resolve(work).then(
    (value): Settled<T> => ({ value }),
    (error): Settled<T> => ({ error }),
  );
  try {
    return await Promise.race([outcome, hang]);
  } finally {
    clearTimeout(alarm);
    slowest = Math.max(slowest, performance.now() - started);
  }
}

async function expectAllRejected(work: PromiseLike<unknown>[]): Promise<void> {
  const outcomes = await Promise.all(work.map(settled));
  expect(outcomes.filter(({ error }) => !error)).toEqual([]);
}

/** The ways in which the driver and the server say that a connection is no more. */
function isLoss(error: Error & { code?: string; cause?: unknown }): boolean {
  if (error.cause instanceof Error) return isLoss(error.cause);
  const code = error.code ?? "";
  return /^(CONNECTION_\w+|ECONN\w+|EPIPE|ENOENT|57P0[123])$/.test(code);
}

async function inTurn(steps: number[], work: (step: number) => unknown, pause = 0): Promise<void> {
  for (const step of steps) {
    const pending = work(step);
    await (Array.isArray(pending) ? Promise.all(pending) : pending);
    await Bun.sleep(pause);
  }
}

function range(length: number): number[] {
  return Array.from({ length }, (_, index) => index);
}

function connection(name: string, max: number, port = server.port): postgres.Options<Record<string, never>> {
  return {
    host: server.socketDir,
    port,
    username: "postgres",
    database: "postgres",
    max,
    backoff: () => 0.01,
    connection: { application_name: name },
    onnotice: () => undefined,
  };
}

function openPool(name: string, max: number, port?: number): postgres.Sql {
  return postgres(connection(name, max, port));
}

/** Stands between driver and server, and takes away the first connection's socket where a test says so. */
async function openProxy(port: number) {
  const budget = { up: Number.POSITIVE_INFINITY, down: Number.POSITIVE_INFINITY };
  const seen = { up: 0, down: 0 };
  let deadlyWord: string | undefined;
  let used = false;
  const open = new Set<Socket>();
  const listener = createServer((client) => {
    const guarded = !used;
    used = true;
    const backend = connect(join(server.socketDir, `.s.PGSQL.${server.port}`));
    let doomed = false;
    const cut = () => {
      client.destroy();
      backend.destroy();
    };
    const relay = (from: Socket, to: Socket, direction: "up" | "down") => {
      open.add(from);
      from.on("error", cut);
      from.on("close", cut);
      from.on("data", (chunk: Buffer) => {
        if (guarded && doomed && direction === "down") return cut();
        if (guarded && direction === "up" && deadlyWord && chunk.includes(deadlyWord)) doomed = true;
        const left = guarded ? budget[direction] - seen[direction] : chunk.length;
        seen[direction] += chunk.length;
        to.write(chunk.subarray(0, Math.max(0, left)), () => chunk.length > left && cut());
      });
    };
    relay(client, backend, "up");
    relay(backend, client, "down");
  });
  await new Promise<void>((done) => listener.listen(join(server.socketDir, `.s.PGSQL.${port}`), done));
  return {
    port,
    budget,
    seen,
    /** Lets the message with this word through and swallows the answer to it. */
    cutAfter(word: string) {
      deadlyWord = word;
    },
    close() {
      for (const socket of open) socket.destroy();
      listener.close();
    },
  };
}

/** A small seeded generator, so that a failing run can be repeated. */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
