import { afterAll, beforeAll, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { lockCounter } from "../../src/sync/counter.ts";
import { holdTransaction, untilWaiting } from "../support/held-transaction.ts";
import { type Device, idsOf, startSyncServer, twoDevices } from "../support/sync-client.ts";
import { location, visit } from "../support/sync-entities.ts";
import type { TestServer } from "../support/test-server.ts";

/* I6: the changes in an answer and the cursor in it come from one database snapshot. */

let server: TestServer;
beforeAll(async () => {
  server = await startSyncServer();
});
afterAll(() => server.stop());

/** Stops whoever reads changes after they have read the counter: days are read last, and nothing else reads them. */
const stopReaders = () =>
  holdTransaction(server, (tx) => tx.execute("LOCK TABLE trip_days IN ACCESS EXCLUSIVE MODE"));

/** Deletes all visits of an account in a transaction of its own, under the counter's lock. */
function deleteDirectly({ person: { userId } }: Device): Promise<unknown> {
  return server.context.db.transaction(async (tx) => {
    const counter = await lockCounter(tx, userId);
    await tx.execute(
      sql`UPDATE place_visits SET deleted_at = now(), server_version = ${counter.next()} WHERE user_id = ${userId} AND id = 'v1'`,
    );
    await counter.save();
  });
}

test("what is written while a poll reads is not in its answer, in part or whole", async () => {
  const [writer, reader] = await twoDevices(server);
  await writer.sync({ placeVisits: [visit("v1"), visit("v2")] });
  const stopped = await stopReaders();
  const polling = reader.sync();
  await untilWaiting(server);
  await writer.call("DELETE", "/place-visits/v1");
  await writer.call("POST", "/place-visits", visit("v3"));
  await stopped.commit();
  const { syncVersion, latestVersion, hasMore, remoteChanges } = await polling;
  expect([syncVersion, latestVersion, hasMore]).toEqual([2, 2, false]);
  expect(idsOf(remoteChanges.placeVisits)).toEqual(["v1", "v2"]);
  expect(remoteChanges.deletedIds.placeVisits).toEqual([]);
  const next = await reader.sync();
  expect(idsOf(next.remoteChanges.placeVisits)).toEqual(["v3"]);
  expect(next.remoteChanges.deletedIds.placeVisits).toEqual(["v1"]);
});

test("nobody writes while a delta with changes of its own reads", async () => {
  const [writer, reader] = await twoDevices(server);
  await writer.sync({ placeVisits: [visit("v1"), visit("v2")] });
  const stopped = await stopReaders();
  const syncing = reader.sync({ locations: [location("l")] });
  await untilWaiting(server);
  // As another server on the same database would.
  const deleting = deleteDirectly(writer);
  await untilWaiting(server, 2);
  await stopped.commit();
  const answer = await syncing;
  expect(idsOf(answer.remoteChanges.placeVisits)).toEqual(["v1", "v2"]);
  expect(answer.syncVersion).toBe(3);
  await deleting;
  expect((await reader.sync()).remoteChanges.deletedIds.placeVisits).toEqual(["v1"]);
});
