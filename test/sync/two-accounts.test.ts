import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Device, idsOf, type Json, newDevice, startSyncServer } from "../support/sync-client.ts";
import {
  attachment,
  deleted,
  envelope,
  location,
  minute,
  photo,
  trip,
  tripDay,
  visit,
} from "../support/sync-entities.ts";
import type { TestServer } from "../support/test-server.ts";

/* I8: accounts are separate worlds: another account's id behaves as if it did not exist, in answer and in effect. */

let server: TestServer;
beforeAll(async () => {
  server = await startSyncServer();
});
afterAll(() => server.stop());

const ids = { locations: "l", placeVisits: "v", trips: "t", photos: "p" };

/** One of everything, linked to each other; the same ids for everyone. */
const everything = (owner: string) => ({
  locations: [location("l", { provider: owner })],
  placeVisits: [visit("v", { notes: owner, photos: ["p"] })],
  trips: [trip("t", { name: owner, placeVisits: ["v"], photos: ["p"] }), trip("t2")],
  photos: [photo("p", { caption: owner }), photo("p2")],
  photoAttachments: [attachment("a", "p", "v", { caption: owner })],
  tripDays: [tripDay("d", "t", "2025-04-01", { notes: owner })],
  settings: { unitPreferences: { distanceUnit: owner }, serverVersion: 0, lastModified: minute(1) },
});

/** Two people who sign in on one phone: the same device id in two accounts. */
async function neighbours(): Promise<[Device, Device]> {
  const anna = await newDevice(server);
  return [anna, await newDevice(server, anna.id)];
}

async function world(device: Device): Promise<Json> {
  const [clear] = await (await device.another()).everything();
  const [sealed] = await (await device.another()).everything({ isEncrypted: true });
  return {
    counter: await device.counter(),
    clear: clear.remoteChanges,
    sealed: sealed.remoteChanges,
    conflicts: await device.conflicts(),
  };
}

test("the same ids on the same device are each account's own, from the first version on", async () => {
  const [anna, ben] = await neighbours();
  const first = await anna.sync(everything("anna"));
  const second = await ben.sync(everything("ben"));
  expect(second.accepted).toEqual(first.accepted);
  expect(second.syncVersion).toBe(first.syncVersion);
  expect(second.conflicts).toEqual([]);
  for (const [person, name, other] of [
    [anna, "anna", "ben"],
    [ben, "ben", "anna"],
  ] as const) {
    const [page] = await (await person.another()).everything();
    const text = JSON.stringify(page);
    expect(text).toContain(`"notes":"${name}"`);
    expect(text).not.toContain(`"${other}"`);
    expect(page.remoteChanges.placeVisits).toMatchObject([{ id: "v", photos: ["p"], tripId: "t" }]);
  }
});

test("a new account is given nothing of others, and its status counts nothing of them", async () => {
  const [anna, ben] = await neighbours();
  await anna.sync(everything("anna"));
  const answer = await ben.sync();
  expect([answer.syncVersion, answer.latestVersion, answer.hasMore]).toEqual([0, 0, false]);
  const status = await ben.status();
  expect(status).toMatchObject({ syncVersion: 0, latestVersion: 0, userId: ben.person.userId });
  expect(idsOf(status.deviceSyncInfo.map(({ deviceId }: Json) => ({ id: deviceId })))).toEqual([ben.id]);
  expect(Object.values(status.pendingChanges)).toEqual(Array.from({ length: 7 }, () => 0));
});

describe("what one account does leaves the other as it is:", () => {
  /** Beyond any version of the account, so that rule 3 takes it. */
  const knowing = { serverVersion: 99, localVersion: 9 };
  const does: [name: string, act: (ben: Device) => Promise<unknown>][] = [
    [
      "edits",
      (ben) => ben.sync({ placeVisits: [visit("v", { notes: "ben", serverVersion: 99, localVersion: 9 })] }),
    ],
    [
      "deletions",
      (ben) =>
        ben.sync({
          placeVisits: [deleted(visit("v", knowing))],
          locations: [deleted(location("l"))],
          trips: [deleted(trip("t", knowing))],
          photos: [deleted(photo("p", knowing))],
          photoAttachments: [deleted(attachment("a", "p", "v", knowing))],
        }),
    ],
    [
      "envelopes over clear text",
      (ben) =>
        ben.sync(
          {
            locations: [envelope("l", "ben")],
            placeVisits: [envelope("v", "ben", knowing)],
            trips: [envelope("t", "ben", knowing)],
            photoAttachments: [envelope("a", "ben", knowing)],
          },
          { isEncrypted: true },
        ),
    ],
    [
      "links",
      (ben) =>
        ben.sync({
          photoAttachments: [attachment("b", "p2", "v"), deleted(attachment("a", "p", "v", knowing))],
          trips: [trip("t2", { placeVisits: ["v"], photos: ["p", "p2"] })],
        }),
    ],
    [
      "a batch of the same points",
      (ben) =>
        ben.call("POST", "/locations/batch", {
          deviceId: ben.id,
          locations: [location("l"), location("l7")],
        }),
    ],
    [
      "a PUT of settings",
      (ben) =>
        ben.request("PUT", "/settings", { expectedVersion: 0, unitPreferences: { distanceUnit: "x" } }),
    ],
    ["a cursor far ahead", (ben) => ben.delta({ lastSyncVersion: 1_000_000 })],
    [
      "REST writes of the same ids",
      async (ben) => {
        await ben.request("POST", "/place-visits", visit("v", { notes: "ben" }));
        await ben.request("POST", "/trips", trip("t", { name: "ben", placeVisits: ["v"] }));
        await ben.request("PUT", "/trips/t/days/2025-04-01", { notes: "ben" });
        await ben.request("POST", "/photos/attachments", {
          attachments: [attachment("a", "p", "v", { caption: "ben" })],
        });
        await ben.request("DELETE", "/place-visits/v");
      },
    ],
  ];
  test.each(does)("%s", async (_name, act) => {
    const [anna, ben] = await neighbours();
    await anna.sync(everything("anna"));
    const before = await world(anna);
    await act(ben);
    const carla = await newDevice(server, anna.id);
    await carla.sync(everything("carla"));
    await act(carla);
    await act(await carla.another());
    expect(await world(anna)).toEqual(before);
  });

  test("nor does it find a repeat in another's points, or a link to another's photo", async () => {
    const [anna, ben] = await neighbours();
    await anna.sync(everything("anna"));
    await ben.sync({ locations: [location("mine")], placeVisits: [visit("v", { photos: ["p"] })] });
    expect((await ben.request("GET", "/locations/mine")).status).toBe(200);
    expect(await ben.call("GET", "/place-visits/v")).toMatchObject({ photos: [] });
  });
});

describe("another account's ids by REST", () => {
  const paths: [method: string, path: string, body: Json][] = [
    ...["/locations/l", "/place-visits/v", "/trips/t", "/photos/p"].flatMap((path) => [
      ["GET", path, undefined] as [string, string, Json],
      ["DELETE", path, undefined] as [string, string, Json],
    ]),
    ["PUT", "/place-visits/v", { expectedVersion: 2, notes: "ben" }],
    ["PUT", "/trips/t", { expectedVersion: 3, name: "ben" }],
    ["GET", "/trips/t/days", undefined],
    ["GET", "/trips/t/days/2025-04-01", undefined],
    ["PUT", "/trips/t/days/2025-04-01", { notes: "ben" }],
    ["GET", "/photos/p/attachments", undefined],
    ["GET", "/place-visits/v/photos", undefined],
  ];
  test.each(paths)("%s %s is 404, word for word as of what nobody has", async (method, path, body) => {
    const [anna, ben] = await neighbours();
    await anna.sync(everything("anna"));
    const before = await world(anna);
    const answer = await ben.request(method, path, body);
    const nobody = await newDevice(server);
    const never = await nobody.request(method, path, body);
    expect(answer.status).toBe(404);
    const plain = ({ json }: Json) => ({ ...json, timestamp: "", requestId: "" });
    expect(plain(answer)).toEqual(plain(never));
    expect(await world(anna)).toEqual(before);
    expect(await ben.counter()).toBe(await nobody.counter());
  });

  test("lists hold only one's own", async () => {
    const [anna, ben] = await neighbours();
    await anna.sync(everything("anna"));
    for (const [path, key] of [
      ["/locations", "locations"],
      ["/place-visits", "placeVisits"],
      ["/trips", "trips"],
      ["/photos", "photos"],
    ] as const) {
      const list = await ben.call("GET", path);
      expect([list[key], list.pagination.total]).toEqual([[], 0]);
      expect(idsOf((await anna.call("GET", path))[key])).toContain(ids[key]);
    }
    expect(await ben.call("GET", "/settings")).toMatchObject({
      serverVersion: 0,
      unitPreferences: { distanceUnit: "METRIC" },
    });
  });
});

describe("another account's conflicts", () => {
  async function conflict(): Promise<[Device, Device, string]> {
    const [anna, ben] = await neighbours();
    const tablet = await anna.another();
    await tablet.sync({ placeVisits: [visit("v", { notes: "tablet" })] });
    const { conflicts } = await anna.sync({
      placeVisits: [visit("v", { notes: "phone", lastModified: minute(9) })],
    });
    return [anna, ben, conflicts[0].conflictId];
  }

  test("are in no list", async () => {
    const [, ben] = await conflict();
    expect(await ben.conflicts()).toEqual([]);
  });

  test.each(["KEEP_LOCAL", "KEEP_REMOTE", "MERGE"])(
    "cannot be settled as %s, and say no more than one that never was",
    async (resolution) => {
      const [anna, ben, conflictId] = await conflict();
      const before = await world(anna);
      const answer = await ben.resolve(conflictId, resolution, { notes: "ben" });
      const never = await ben.resolve(crypto.randomUUID(), resolution, { notes: "ben" });
      expect(answer.status).toBe(404);
      expect({ ...answer.json, timestamp: "", requestId: "" }).toEqual({
        ...never.json,
        timestamp: "",
        requestId: "",
      });
      expect(await world(anna)).toEqual(before);
      expect(await ben.counter()).toBe(0);
    },
  );

  test("of the same device id do not hold back or owe the neighbour anything", async () => {
    const [anna, ben] = await conflict();
    const tablet = await ben.another();
    await tablet.sync({ placeVisits: [visit("v", { notes: "ben's tablet" })] });
    expect((await ben.sync()).remoteChanges.placeVisits).toMatchObject([{ notes: "ben's tablet" }]);
    expect(await anna.conflicts("open")).toHaveLength(1);
  });

  test("a raised localVersion of the neighbour is no knowing repeat", async () => {
    const [, ben] = await conflict();
    const tablet = await ben.another();
    await tablet.sync({ placeVisits: [visit("v", { notes: "ben's tablet" })] });
    const { conflicts } = await ben.delta({
      lastSyncVersion: 1,
      localChanges: {
        placeVisits: [visit("v", { notes: "ben", localVersion: 9, lastModified: minute(10) })],
      },
    });
    expect(conflicts).toHaveLength(1);
  });
});
