import { describe, expect, test } from "bun:test";
import { findPosition } from "./cursor.ts";
import type { DeltaRequest } from "./delta-request.ts";
import type { DeviceProgress } from "./device-progress.ts";

const fresh: DeviceProgress = { syncVersion: 0, voidCursor: null, clearSince: null, returnAnswer: null };

function find(
  request: Partial<DeltaRequest>,
  progress: Partial<DeviceProgress> = {},
  { newest = 100, missedEnvelopes = false } = {},
) {
  return findPosition(
    {
      lastSyncVersion: 40,
      encrypted: false,
      limit: 10,
      syncEpoch: null,
      changes: [],
      invalid: [],
      ...request,
    },
    { newest, epoch: "now", progress: { ...fresh, ...progress }, missedEnvelopes },
  );
}

describe("an ordinary cursor", () => {
  test("is believed, and is what the device surely has", () => {
    const position = find({ lastSyncVersion: 40 }, { syncVersion: 60 });
    expect(position).toMatchObject({ from: 40, believed: 40, resync: false, progress: { syncVersion: 40 } });
  });

  test("may be the newest version itself", () => {
    expect(find({ lastSyncVersion: 100 })).toMatchObject({ from: 100, resync: false });
  });

  test("with the epoch of now, or none, is believed", () => {
    expect(find({ syncEpoch: "now" }).resync).toBe(false);
    expect(find({ syncEpoch: null }).resync).toBe(false);
  });
});

describe("a cursor from another life of the database", () => {
  test("ahead of the newest version: everything, and it stays void", () => {
    const position = find({ lastSyncVersion: 101 });
    expect(position).toMatchObject({ from: 0, believed: null, resync: true });
    expect(position.progress).toMatchObject({ syncVersion: 0, voidCursor: 101 });
  });

  test("that is void gives everything again after the counter has passed it", () => {
    const position = find({ lastSyncVersion: 101 }, { voidCursor: 101 }, { newest: 200 });
    expect(position).toMatchObject({ from: 0, believed: null, resync: true, progress: { voidCursor: 101 } });
  });

  test("is told from the cursors beside it", () => {
    for (const lastSyncVersion of [100, 102])
      expect(find({ lastSyncVersion }, { voidCursor: 101 }, { newest: 200 }).resync).toBe(false);
  });

  test("stays void while the device goes on with others", () => {
    expect(find({ lastSyncVersion: 120 }, { voidCursor: 101 }, { newest: 200 }).progress.voidCursor).toBe(
      101,
    );
  });

  test("of another epoch: everything, and no cursor becomes void by that", () => {
    const position = find({ syncEpoch: "then" }, { voidCursor: 7 });
    expect(position).toMatchObject({ from: 0, resync: true, progress: { voidCursor: 7 } });
  });
});

describe("a device that changes between clear and encrypted mode", () => {
  test("in clear, it is remembered since when", () => {
    expect(find({ lastSyncVersion: 40 }).progress.clearSince).toBe(40);
    expect(find({ lastSyncVersion: 60 }, { clearSince: 40 }).progress.clearSince).toBe(40);
  });

  test("a cursor that went back counts from there", () => {
    expect(find({ lastSyncVersion: 20 }, { clearSince: 40 }).progress.clearSince).toBe(20);
  });

  test("a first sync that gives everything begins at 0", () => {
    expect(find({ lastSyncVersion: 101 }).progress.clearSince).toBe(0);
    expect(find({ lastSyncVersion: 101, encrypted: true }).progress.clearSince).toBeNull();
  });

  test("on turning to encrypted mode it goes back for what it missed, and keeps to it until it has got there", () => {
    const position = find(
      { encrypted: true, lastSyncVersion: 60 },
      { clearSince: 40 },
      { missedEnvelopes: true },
    );
    expect(position).toMatchObject({ from: 40, believed: null, resync: false });
    expect(position.progress).toMatchObject({ syncVersion: 40, clearSince: 40 });
  });

  test("it has got there when it comes with the cursor that such an answer gave", () => {
    const progress = { clearSince: 40, returnAnswer: 50 };
    const lost = find({ encrypted: true, lastSyncVersion: 60 }, progress, { missedEnvelopes: true });
    expect(lost.from).toBe(40);
    const arrived = find({ encrypted: true, lastSyncVersion: 50 }, progress, { missedEnvelopes: true });
    expect(arrived).toMatchObject({
      from: 50,
      believed: 50,
      progress: { clearSince: null, returnAnswer: null },
    });
  });

  test("without anything missed it goes on", () => {
    const position = find({ encrypted: true, lastSyncVersion: 60 }, { clearSince: 40 });
    expect(position).toMatchObject({ from: 60, believed: 60, progress: { clearSince: null } });
  });

  test("turning back to clear mode forgets the way back", () => {
    const position = find({ lastSyncVersion: 60 }, { clearSince: 40, returnAnswer: 50 });
    expect(position.progress).toMatchObject({ clearSince: 40, returnAnswer: null });
  });
});
