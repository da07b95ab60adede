import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Device, idsOf, type Json, startSyncServer, twoDevices } from "../support/sync-client.ts";
import { deleted, minute, visit } from "../support/sync-entities.ts";
import type { TestServer } from "../support/test-server.ts";

/* What an open conflict holds back from a device, what it is owed once it lets go, and how that ends (sync.md). */

let server: TestServer;
beforeAll(async () => {
  server = await startSyncServer();
});
afterAll(() => server.stop());

const given = ({ remoteChanges }: Json) => [
  ...remoteChanges.placeVisits.map(({ id, notes }: Json) => `${id} ${notes}`),
  ...remoteChanges.deletedIds.placeVisits.map((id: string) => `${id} deleted`),
];

/** The device's own side; later than the other one, so that KEEP_LOCAL is suggested. */
const mine = (localVersion = 2, fields: Record<string, unknown> = {}) =>
  visit("v", { notes: "mine", lastModified: minute(60), serverVersion: 1, localVersion, ...fields });

/** Two devices that know the visit; the first has edited it since, at minute 30 and version 2. */
async function contested(): Promise<[Device, Device]> {
  const [first, second] = await twoDevices(server);
  await first.sync({ placeVisits: [visit("v")] });
  await second.sync();
  await first.sync({
    placeVisits: [
      visit("v", { notes: "theirs", lastModified: minute(30), localVersion: 2, serverVersion: 1 }),
    ],
  });
  return [first, second];
}

const statusOf = async (device: Device) =>
  (await device.conflicts()).map(({ status, resolution }) => [status, resolution]);

describe("while the device keeps sending its side", () => {
  test("the other side is held back, in this and every later answer", async () => {
    const [first, second] = await contested();
    for (let times = 0; times < 3; times++) {
      await first.sync({ placeVisits: [visit(`other${times}`)] });
      expect(given(await second.sync({ placeVisits: [mine()] }))).toEqual([`other${times} null`]);
    }
    expect(await statusOf(second)).toEqual([["open", null]]);
  });

  test("also when it moves on, and when the cursor goes back", async () => {
    const [first, second] = await contested();
    await second.sync({ placeVisits: [mine()] });
    await first.sync({
      placeVisits: [
        visit("v", {
          notes: "theirs again",
          localVersion: 3,
          serverVersion: first.cursor,
          lastModified: minute(31),
        }),
      ],
    });
    const answer = await second.delta({ lastSyncVersion: 0, localChanges: { placeVisits: [mine()] } });
    expect(given(answer)).toEqual([]);
    expect(answer.conflicts).toMatchObject([{ remoteVersion: { notes: "theirs again" } }]);
  });

  test("also when it is deleted meanwhile", async () => {
    const [first, second] = await contested();
    await second.sync({ placeVisits: [mine()] });
    await first.call("DELETE", "/place-visits/v");
    const answer = await second.sync({ placeVisits: [mine()] });
    expect(given(answer)).toEqual([]);
    expect(answer.conflicts).toMatchObject([
      { conflictType: "DELETION_CONFLICT", suggestedResolution: "MANUAL" },
    ]);
  });

  test("a bad version of its side holds it back, too", async () => {
    const [, second] = await contested();
    await second.syncAndLose({ placeVisits: [mine()] });
    expect(given(await second.sync({ placeVisits: [mine(3, { confidence: 7 })] }))).toEqual([]);
  });

  test("other devices are given it", async () => {
    const [first, second] = await contested();
    await second.sync({ placeVisits: [mine()] });
    expect(given(await (await first.another()).sync())).toEqual(["v theirs"]);
  });
});

describe("with KEEP_REMOTE suggested", () => {
  const older = { lastModified: minute(10) };

  test("the other side is in the same answer, and that settles it", async () => {
    const [, second] = await contested();
    const answer = await second.sync({ placeVisits: [mine(2, older)] });
    expect(answer.conflicts).toMatchObject([{ suggestedResolution: "KEEP_REMOTE" }]);
    expect(given(answer)).toEqual(["v theirs"]);
    expect(await statusOf(second)).toEqual([["resolved", "KEEP_REMOTE"]]);
  });

  test("also in one that is cut at its limit before it", async () => {
    const [first, second] = await contested();
    await first.sync({
      placeVisits: [
        visit("a"),
        visit("b"),
        visit("v", {
          notes: "theirs",
          lastModified: minute(31),
          localVersion: 3,
          serverVersion: first.cursor,
          address: "new",
        }),
      ],
    });
    const answer = await second.sync({ placeVisits: [mine(2, older)] }, { limit: 1 });
    expect(answer.hasMore).toBe(true);
    expect(given(answer)).toContain("v theirs");
    expect(new Set(idsOf(answer.remoteChanges.placeVisits)).size).toBe(
      answer.remoteChanges.placeVisits.length,
    );
  });

  test("also when the cursor has passed it", async () => {
    const [, second] = await contested();
    await second.sync();
    expect(given(await second.sync({ placeVisits: [mine(2, older)] }))).toEqual(["v theirs"]);
  });

  test("again in the answer to a repeat, under the same id", async () => {
    const [, second] = await contested();
    const lost = await second.syncAndLose({ placeVisits: [mine(2, older)] });
    const again = await second.sync({ placeVisits: [mine(2, older)] });
    expect(given(again)).toEqual(["v theirs"]);
    expect(again.conflicts[0].conflictId).toBe(lost.conflicts[0].conflictId);
    expect(await second.conflicts()).toHaveLength(1);
  });
});

describe("once the device lets go", () => {
  async function letGo(): Promise<[Device, Device]> {
    const [first, second] = await contested();
    await second.sync({ placeVisits: [mine()] });
    return [first, second];
  }

  test("it is owed the other side, although its cursor has passed that", async () => {
    const [, second] = await letGo();
    expect(given(await second.sync())).toEqual(["v theirs"]);
    expect(await statusOf(second)).toEqual([["open", null]]);
  });

  test("in every answer until a cursor shows that one arrived; then it is settled", async () => {
    const [, second] = await letGo();
    for (let times = 0; times < 3; times++) expect(given(await second.syncAndLose())).toEqual(["v theirs"]);
    expect(given(await second.sync())).toEqual(["v theirs"]);
    expect(await statusOf(second)).toEqual([["open", null]]);
    expect(given(await second.sync())).toEqual([]);
    expect(await statusOf(second)).toEqual([["resolved", "KEEP_REMOTE"]]);
  });

  test("also while it sends other things, and others write", async () => {
    const [first, second] = await letGo();
    await first.sync({ placeVisits: [visit("w")] });
    expect(given(await second.syncAndLose({ placeVisits: [visit("x")] }))).toEqual(["v theirs", "w null"]);
    expect(given(await second.sync({ placeVisits: [visit("x")] }))).toEqual(["v theirs", "w null"]);
    expect(given(await second.sync({ placeVisits: [visit("y")] }))).toEqual([]);
  });

  test("also in pages, each of which is cut before it", async () => {
    const [first, second] = await letGo();
    await first.sync({ placeVisits: [visit("a"), visit("b"), visit("c")] });
    const pages = [await second.syncAndLose({}, { limit: 1 })];
    for (let n = 0; n < 4; n++) pages.push(await second.sync({}, { limit: 1 }));
    const of = (what: string) => pages.map(given).filter((list) => list.includes(what)).length;
    expect(given(pages[0])).toEqual(["v theirs", "a null"]);
    expect(given(pages[1])).toEqual(["v theirs", "a null"]);
    for (const what of ["b null", "c null"]) expect(of(what)).toBe(1);
    expect(given(await second.sync())).toEqual([]);
    expect(await statusOf(second)).toEqual([["resolved", "KEEP_REMOTE"]]);
  });

  test("in its newest state", async () => {
    const [first, second] = await letGo();
    await first.sync({
      placeVisits: [
        visit("v", {
          notes: "theirs again",
          localVersion: 3,
          serverVersion: first.cursor,
          lastModified: minute(31),
        }),
      ],
    });
    expect(given(await second.syncAndLose())).toEqual(["v theirs again"]);
    await first.call("DELETE", "/place-visits/v");
    expect(given(await second.sync())).toEqual(["v deleted"]);
    await second.sync();
    expect(await statusOf(second)).toEqual([["resolved", "KEEP_REMOTE"]]);
  });

  test("a deletion that it lost against is owed as one", async () => {
    const [first, second] = await twoDevices(server);
    await first.sync({ placeVisits: [visit("v")] });
    await second.sync();
    await first.call("DELETE", "/place-visits/v");
    await second.sync({ placeVisits: [mine()] });
    expect(given(await second.sync())).toEqual(["v deleted"]);
  });

  test("a request that is lost on its way changes nothing", async () => {
    const [, second] = await letGo();
    // What never reaches the server is no request: the device keeps sending its side.
    expect(given(await second.sync({ placeVisits: [mine()] }))).toEqual([]);
    expect(given(await second.sync())).toEqual(["v theirs"]);
  });

  test("taking its side up again holds the other back again", async () => {
    const [, second] = await letGo();
    await second.syncAndLose();
    expect(given(await second.sync({ placeVisits: [mine()] }))).toEqual([]);
    expect(given(await second.sync())).toEqual(["v theirs"]);
    await second.sync();
    expect(await statusOf(second)).toEqual([["resolved", "KEEP_REMOTE"]]);
  });

  test("a device that starts from 0 again is given it once", async () => {
    const [, second] = await letGo();
    expect(given(await second.delta({ lastSyncVersion: 0 }))).toEqual(["v theirs"]);
  });
});

describe("a device that insists (rule 5)", () => {
  test("wins when it has read the conflict and raised localVersion", async () => {
    const [first, second] = await contested();
    expect((await second.sync({ placeVisits: [mine(2)] })).conflicts).toHaveLength(1);
    const answer = await second.sync({ placeVisits: [mine(3)] });
    expect([answer.accepted.placeVisits, answer.conflicts]).toEqual([["v"], []]);
    expect(await first.call("GET", "/place-visits/v")).toMatchObject({ notes: "mine" });
    expect(await statusOf(second)).toEqual([["resolved", "KEEP_LOCAL"]]);
    expect(given(await first.sync())).toEqual(["v mine"]);
  });

  test("wins also with a deletion, and against one", async () => {
    const [first, second] = await contested();
    await second.sync({ placeVisits: [deleted(mine(2))] });
    expect((await second.sync({ placeVisits: [deleted(mine(3))] })).accepted.placeVisits).toEqual(["v"]);
    await first.sync({ placeVisits: [visit("v", { notes: "alive", localVersion: 9 })] });
    const answer = await first.sync({ placeVisits: [visit("v", { notes: "alive", localVersion: 10 })] });
    expect(answer.accepted.placeVisits).toEqual(["v"]);
    expect(given(await second.sync())).toEqual(["v alive"]);
  });

  test("is told again when the answer that reported the conflict was lost", async () => {
    const [first, second] = await contested();
    await second.syncAndLose({ placeVisits: [mine(2)] });
    expect((await second.sync({ placeVisits: [mine(3)] })).conflicts).toHaveLength(1);
    expect(await first.call("GET", "/place-visits/v")).toMatchObject({ notes: "theirs" });
    expect((await second.sync({ placeVisits: [mine(4)] })).accepted.placeVisits).toEqual(["v"]);
  });

  test("is told again when the other side has moved since", async () => {
    const [first, second] = await contested();
    await second.sync({ placeVisits: [mine(2)] });
    await first.sync({
      placeVisits: [
        visit("v", {
          notes: "theirs again",
          localVersion: 3,
          serverVersion: first.cursor,
          lastModified: minute(31),
        }),
      ],
    });
    expect((await second.sync({ placeVisits: [mine(3)] })).conflicts).toMatchObject([
      { remoteVersion: { notes: "theirs again" } },
    ]);
    expect((await second.sync({ placeVisits: [mine(4)] })).accepted.placeVisits).toEqual(["v"]);
  });

  test("does not by sending the same again", async () => {
    const [, second] = await contested();
    for (let times = 0; times < 3; times++)
      expect((await second.sync({ placeVisits: [mine(2)] })).conflicts).toHaveLength(1);
  });

  test("is not taken for one by a change that lost its way and arrives late", async () => {
    const [first, second] = await contested();
    await second.sync({ placeVisits: [mine(5)] });
    expect((await second.sync({ placeVisits: [mine(4)] })).conflicts).toHaveLength(1);
    expect(await first.call("GET", "/place-visits/v")).toMatchObject({ notes: "theirs" });
  });
});

describe("an open conflict is settled by a write", () => {
  test("onto the newer base (rule 3)", async () => {
    const [, second] = await contested();
    const { conflicts } = await second.sync({ placeVisits: [mine(2)] });
    const serverVersion = Number(conflicts[0].remoteVersion.version);
    const answer = await second.sync({ placeVisits: [mine(2, { serverVersion, notes: "both" })] });
    expect(answer.accepted.placeVisits).toEqual(["v"]);
    expect(await statusOf(second)).toEqual([["resolved", "KEEP_LOCAL"]]);
    expect(given(await second.sync())).toEqual([]);
  });

  test("of the other side's own content: then the other side was kept", async () => {
    const [, second] = await contested();
    await second.sync({ placeVisits: [mine(2)] });
    expect((await second.sync({ placeVisits: [mine(3, { notes: "theirs" })] })).accepted.placeVisits).toEqual(
      ["v"],
    );
    expect(await statusOf(second)).toEqual([["resolved", "KEEP_REMOTE"]]);
  });

  test("and so is one that is still owed beside it", async () => {
    const [, second] = await contested();
    const { conflicts } = await second.sync({ placeVisits: [mine(2)] });
    await second.resolve(conflicts[0].conflictId, "KEEP_REMOTE");
    expect((await second.sync({ placeVisits: [mine(2, { notes: "mine again" })] })).conflicts).toHaveLength(
      1,
    );
    await second.sync({ placeVisits: [mine(3, { serverVersion: second.cursor })] });
    expect(await second.conflicts("open")).toEqual([]);
    expect(given(await second.sync())).toEqual([]);
  });
});
