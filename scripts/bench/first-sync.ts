import { atMost, type Figure, ratioOf, type Turn, whole } from "./figure.ts";
import { megabyte, watchGrowth } from "./memory.ts";
import { BenchPhone } from "./phone.ts";
import { givenColumns, seedPoints } from "./points.ts";
import type { BenchServer } from "./server.ts";
import { readSlowly } from "./slow-reader.ts";

const turns = 3;
const slowPages = 4;
const slowBytesPerSecond = 2 * megabyte;

/** Reads an answer to its end, and of its text no more than the numbers at its beginning. */
async function drain(answer: Response): Promise<{ syncVersion: number; hasMore: boolean }> {
  const bytes = await answer.bytes();
  const head = new TextDecoder().decode(bytes.subarray(0, 500));
  const syncVersion = Number(/"syncVersion":(\d+)/.exec(head)?.[1]);
  return { syncVersion, hasMore: /"hasMore":true/.test(head) };
}

/** Everything from the beginning, page by page. @returns seconds */
async function syncAll(phone: BenchPhone, points: number): Promise<number> {
  const began = performance.now();
  let cursor = 0;
  for (let hasMore = true; hasMore; ) {
    const answer = await phone.post("/sync/delta", phone.deltaBody(cursor));
    ({ syncVersion: cursor, hasMore } = await drain(answer));
  }
  if (cursor !== points) throw new Error(`the sync ended at version ${cursor}, not at ${points}`);
  return (performance.now() - began) / 1000;
}

/** @returns seconds */
async function copyAll({ server, userId }: BenchPhone): Promise<number> {
  // A connection of its own: after a COPY that was read under back pressure, the driver may not wake up again.
  const sql = server.connect();
  try {
    await sql`SELECT 1`;
    const began = performance.now();
    const rows = await sql
      .unsafe(
        `COPY (SELECT ${givenColumns} FROM location_samples WHERE user_id = '${userId}' ORDER BY server_version) TO STDOUT`,
      )
      .readable();
    let bytes = 0;
    for await (const piece of rows) bytes += (piece as Buffer).length;
    if (bytes === 0) throw new Error("COPY gave nothing");
    return (performance.now() - began) / 1000;
  } finally {
    await sql.end({ timeout: 0 });
  }
}

/** A first page, looked at: the rates below would mean nothing if points were missing. */
async function checkPage(phone: BenchPhone, points: number): Promise<void> {
  const { syncVersion, remoteChanges } = await phone.delta(0);
  const expected = Math.min(points, syncVersion);
  if (remoteChanges.locations.length !== expected) throw new Error("the first page lacks points");
}

/** Starts anew, so that memory grows from what an idle server has. */
async function restart(server: BenchServer, phone: BenchPhone, newest: number): Promise<void> {
  await server.stop();
  await server.start();
  await phone.delta(newest);
  await Bun.sleep(1_000);
}

async function takeTurns(phone: BenchPhone, points: number): Promise<Turn[]> {
  const measured: Turn[] = [];
  for (let turn = 0; turn < turns; turn++) {
    const ours = points / (await syncAll(phone, points));
    measured.push({ ours, other: points / (await copyAll(phone)) });
  }
  return measured;
}

async function seed(server: BenchServer, phone: BenchPhone, points: number): Promise<void> {
  const sql = server.connect();
  try {
    await seedPoints(sql, phone, points);
  } finally {
    await sql.end();
  }
}

/** A first sync of many points, as fast as it goes and read slowly, and COPY of the same columns. */
export async function measureFirstSync(server: BenchServer, points: number): Promise<Figure[]> {
  const phone = await BenchPhone.register(server);
  await seed(server, phone, points);
  await checkPage(phone, points);
  await restart(server, phone, points);
  const slow = await watchGrowth(server.pid, () => readSlowly(phone, slowPages, slowBytesPerSecond));
  await restart(server, phone, points);
  const fast = await watchGrowth(server.pid, () => takeTurns(phone, points));
  const speed = `${slowBytesPerSecond / megabyte} MB/s`;
  return [
    ratioOf(`first sync of ${whole(points)} points`, fast.result, 0.4),
    atMost("its memory growth", fast.growth / megabyte, 64, "MB"),
    atMost(`its memory growth, read at ${speed}`, slow.growth / megabyte, 64, "MB"),
  ];
}
