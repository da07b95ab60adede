import { atMost, type Figure, median } from "./figure.ts";
import { megabyte, pssOf, treeOf } from "./memory.ts";
import { BenchPhone } from "./phone.ts";
import { BenchServer } from "./server.ts";

const starts = 7;
/** Milliseconds in which a server comes to rest. */
const rest = 5_000;

/** Starts with and without a database, and what the server and the database hold when they have nothing to do. */
export async function measureStart(): Promise<Figure[]> {
  const server = await BenchServer.create();
  try {
    const first = await server.start();
    const phone = await BenchPhone.register(server);
    const again: number[] = [];
    for (let start = 0; start < starts; start++) {
      await server.stop();
      again.push(await server.start());
    }
    await phone.delta(0);
    await Bun.sleep(rest);
    const postgres = treeOf(await server.postmasterPid()).reduce((sum, pid) => sum + pssOf(pid), 0);
    return [
      atMost("start, existing database", median(again), 250, "ms"),
      atMost("first start ever", first, 5000, "ms"),
      atMost("idle server process (PSS)", pssOf(server.pid) / megabyte, 100, "MB"),
      atMost("idle embedded Postgres (PSS)", postgres / megabyte, 80, "MB"),
    ];
  } finally {
    await server.remove();
  }
}
