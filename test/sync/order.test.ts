import { afterAll, beforeAll, expect, test } from "bun:test";
import { applyChanges } from "../../src/sync/apply-changes.ts";
import { type Change, readChange } from "../../src/sync/change.ts";
import { lockCounter } from "../../src/sync/counter.ts";
import { holdTransaction, untilWaiting } from "../support/held-transaction.ts";
import { type Device, type Json, newDevice, startSyncServer } from "../support/sync-client.ts";
import {
  attachment,
  deleted,
  envelope,
  location,
  minute,
  photo,
  trip,
  visit,
} from "../support/sync-entities.ts";
import type { TestServer } from "../support/test-server.ts";

/* I1: whoever was handed cursor N never sees a version <= N appear afterwards, whoever wrote it and however. */

let server: TestServer;
beforeAll(async () => {
  server = await startSyncServer();
});
afterAll(() => server.stop());

/** A device that has written, and does not come to an end: its transaction is open. */
function writeSlowly(device: Device, id: string) {
  const { registry } = server.context;
  const [locations] = registry;
  if (!locations) throw new Error("no kinds");
  const change = readChange(locations, location(id, { timestamp: minute(900) }), {
    encrypted: false,
  }) as Change;
  return holdTransaction(server, async (tx) => {
    const { userId, deviceId } = device.person;
    const counter = await lockCounter(tx, userId);
    await applyChanges(tx, registry, counter, {
      writer: { userId, deviceId },
      changes: [change],
      lastSyncVersion: null,
      pending: [],
      keepsConflicts: false,
    });
  });
}

/** What a reader was given, as `kind id` and version. */
class Reader {
  readonly held = new Map<string, number>();
  constructor(readonly device: Device) {}

  async poll(): Promise<void> {
    const before = this.device.cursor;
    const { remoteChanges, syncVersion } = await this.device.sync();
    expect(syncVersion).toBeGreaterThanOrEqual(before);
    for (const [key, version] of given(remoteChanges)) {
      expect(version).toBeGreaterThan(before);
      expect(version).toBeLessThanOrEqual(syncVersion);
      this.held.set(key, version);
    }
  }
}

/** Live entities of an answer with their versions; a deletion is `kind id` with the answer's own. */
function given(remoteChanges: Json): Map<string, number> {
  const { deletedIds: _gone, settings, ...lists } = remoteChanges;
  const entities = Object.entries(lists).flatMap(([kind, list]) =>
    (list as Json[]).map(({ id, serverVersion }) => [`${kind} ${id}`, serverVersion] as const),
  );
  return new Map(settings ? [...entities, ["settings", settings.serverVersion] as const] : entities);
}

interface Writers {
  readonly device: Device;
  /** A device that knows nothing of what others did since. */
  readonly stale: Device;
  readonly conflictId: string;
}

const stale = { lastModified: minute(60), localVersion: 2 };

/** An account with one of everything, and an open conflict. */
async function setUp(): Promise<Writers & { reader: Reader; slow: Device }> {
  const slow = await newDevice(server);
  const [device, other, reader] = [await slow.another(), await slow.another(), await slow.another()];
  await device.sync({
    placeVisits: [visit("v"), visit("contested"), visit("gone")],
    photos: [photo("p")],
    trips: [trip("t", { placeVisits: ["v"] })],
    photoAttachments: [attachment("a", "p", "v")],
  });
  await device.call("PUT", "/settings", { expectedVersion: 0, unitPreferences: { timeFormat: "12_HOUR" } });
  const { conflicts } = await other.sync({
    placeVisits: [visit("contested", { notes: "theirs", ...stale })],
  });
  await device.sync();
  const watching = new Reader(reader);
  await watching.poll();
  return { slow, device, stale: other, conflictId: conflicts[0].conflictId, reader: watching };
}

const version = async (device: Device, path: string) => (await device.call("GET", path)).serverVersion;

/** Every way to change something that phones see. */
const ways: [name: string, write: (writers: Writers) => Promise<unknown>][] = [
  ["a delta", ({ device }) => device.sync({ placeVisits: [visit("new")], locations: [location("l")] })],
  ["a delta that deletes", ({ device }) => device.sync({ placeVisits: [deleted(visit("v"))] })],
  [
    "a delta with a conflict",
    ({ stale: late }) => late.sync({ placeVisits: [visit("v", { notes: "late", ...stale })] }),
  ],
  [
    "a delta of envelopes",
    ({ device }) => device.sync({ placeVisits: [envelope("sealed", "x")] }, { isEncrypted: true }),
  ],
  [
    "a batch of points",
    ({ device }) =>
      device.call("POST", "/locations/batch", { deviceId: device.id, locations: [location("l")] }),
  ],
  ["POST of a visit", ({ device }) => device.call("POST", "/place-visits", visit("new"))],
  [
    "PUT of a visit",
    async ({ device }) => {
      const expectedVersion = await version(device, "/place-visits/v");
      return device.call("PUT", "/place-visits/v", { expectedVersion, notes: "put" });
    },
  ],
  [
    "DELETE of a visit, which changes its trip and photo",
    ({ device }) => device.call("DELETE", "/place-visits/v"),
  ],
  ["DELETE of a trip", ({ device }) => device.call("DELETE", "/trips/t")],
  ["DELETE of a photo", ({ device }) => device.call("DELETE", "/photos/p")],
  [
    "an attachment, which changes both of its ends",
    ({ device }) =>
      device.call("POST", "/photos/attachments", { attachments: [attachment("b", "p", "gone")] }),
  ],
  ["PUT of a day", ({ device }) => device.call("PUT", "/trips/t/days/2025-04-01", { notes: "sun" })],
  [
    "PUT of the settings",
    async ({ device }) => {
      const expectedVersion = await version(device, "/settings");
      return device.call("PUT", "/settings", {
        expectedVersion,
        unitPreferences: { distanceUnit: "IMPERIAL" },
      });
    },
  ],
  ["a settled conflict", ({ stale: late, conflictId }) => late.resolve(conflictId, "KEEP_LOCAL")],
];

test.each(ways)(
  "%s waits for whoever took a number before, and no reader skips either",
  async (_name, write) => {
    const { slow, reader, ...writers } = await setUp();
    const before = await slow.counter();
    const held = await writeSlowly(slow, "slow");
    let finished = false;
    const writing = write(writers).then(() => {
      finished = true;
    });
    await untilWaiting(server);
    await reader.poll();
    expect(finished).toBe(false);
    expect(reader.device.cursor).toBe(before);
    await held.commit();
    await reader.poll();
    await writing;
    await reader.poll();
    const [page] = await (await slow.another()).everything();
    const all = given(page.remoteChanges);
    expect(all.get("locations slow")).toBe(before + 1);
    expect(reader.held.get("locations slow")).toBe(before + 1);
    const versions = [...all.values()];
    expect(new Set(versions).size).toBe(versions.length);
    for (const [key, newest] of all) expect([key, reader.held.get(key)]).toEqual([key, newest]);
  },
);

test("readers that poll while many write at once are given everything", async () => {
  const { slow, device, stale: late, reader, conflictId } = await setUp();
  const first = await slow.counter();
  let writing = true;
  const polling = (async () => {
    while (writing) await reader.poll();
  })();
  const round = async (n: number) => {
    await Promise.all([
      device.delta({
        placeVisits: [],
        localChanges: { placeVisits: [visit(`v${n}`)], photos: [photo(`p${n}`)] },
      }),
      late.call("POST", "/locations/batch", {
        deviceId: late.id,
        locations: [location(`l${n}`, { timestamp: minute(n) })],
      }),
      slow.call("POST", "/photos/attachments", { attachments: [attachment(`a${n}`, `p${n}`, `v${n}`)] }),
      slow.call("POST", "/trips", trip(`t${n}`, { placeVisits: [`v${n}`], photos: ["p"] })),
      late.call("PUT", "/trips/t/days/2025-04-02", { notes: "x" }),
      n === 5 ? late.resolve(conflictId, "KEEP_LOCAL") : undefined,
    ]);
  };
  for (let n = 0; n < 12; n++) await round(n);
  writing = false;
  await polling;
  await reader.poll();
  const [page] = await (await slow.another()).everything();
  const all = given(page.remoteChanges);
  const versions = [...all.values()];
  expect(new Set(versions).size).toBe(versions.length);
  expect(versions.filter((one) => one > first).length).toBeGreaterThan(60);
  for (const [key, newest] of all) expect([key, reader.held.get(key)]).toEqual([key, newest]);
});
