import { afterAll, beforeAll, expect, test } from "bun:test";
import { type Device, type Json, startSyncServer, twoDevices } from "../support/sync-client.ts";
import { attachment, deleted, location, minute, trip, tripDay, visit } from "../support/sync-entities.ts";
import type { TestServer } from "../support/test-server.ts";

/* I2: REST and delta do the same with the same change, and what one does, the other sees. */

let server: TestServer;
beforeAll(async () => {
  server = await startSyncServer();
});
afterAll(() => server.stop());

type Fields = Record<string, unknown>;
type Way = "rest" | "delta";
type List = "placeVisits" | "trips" | "photos" | "locations" | "photoAttachments" | "tripDays";

/** A change by REST, as far as REST can say it, or else by a delta. Says whether it was taken. */
interface Step {
  readonly list: List | "settings";
  readonly change: Fields;
  readonly rest: (device: Device, change: Fields) => Promise<{ status: number }>;
  readonly by?: "second";
}

const post = (path: string) => (device: Device, change: Fields) => device.request("POST", path, change);
const put = (path: string) => (device: Device, change: Fields) =>
  device.request("PUT", path, { ...change, expectedVersion: change.serverVersion });
const remove = (path: string) => (device: Device) => device.request("DELETE", path);

const attach = (device: Device, change: Fields) =>
  device.request("POST", "/photos/attachments", { attachments: [change] });
const batch = (device: Device, change: Fields) =>
  device.request("POST", "/locations/batch", { deviceId: device.id, locations: [change] });

const later = { lastModified: minute(60), localVersion: 2 };
const dayId = "day_2025-04-01_657405fad7fb6457c60de251";

/** `serverVersion: "newest"` stands for whatever is the newest version when the step is done. */
const steps: [name: string, step: Step][] = [
  [
    "a visit with a photo to come",
    { list: "placeVisits", change: visit("v", { photos: ["p"] }), rest: post("/place-visits") },
  ],
  ["the photo, by attachment", { list: "photoAttachments", change: attachment("a", "p", "v"), rest: attach }],
  [
    "a trip",
    { list: "trips", change: trip("t1", { placeVisits: ["v"], photos: ["p"] }), rest: post("/trips") },
  ],
  [
    "the same visit again",
    { list: "placeVisits", change: visit("v", { photos: ["p"] }), rest: post("/place-visits") },
  ],
  [
    "the same visit, edited",
    {
      list: "placeVisits",
      change: visit("v", { photos: ["p"], notes: "edited", serverVersion: "newest", ...later }),
      rest: put("/place-visits/v"),
    },
  ],
  [
    "the same edit again",
    {
      list: "placeVisits",
      change: visit("v", { photos: ["p"], notes: "edited", serverVersion: "newest", ...later }),
      rest: put("/place-visits/v"),
    },
  ],
  [
    "an edit by another who knew nothing of that",
    {
      list: "placeVisits",
      change: visit("v", { photos: ["p"], notes: "stale", serverVersion: 1, ...later }),
      rest: put("/place-visits/v"),
      by: "second",
    },
  ],
  [
    "an edit by another who knew",
    {
      list: "placeVisits",
      change: visit("v", { photos: ["p"], notes: "second", serverVersion: "newest", ...later }),
      rest: put("/place-visits/v"),
      by: "second",
    },
  ],
  [
    "a trip, edited",
    {
      list: "trips",
      change: trip("t1", {
        name: "Dolomites",
        totalDistance: 12.5,
        serverVersion: "newest",
        placeVisits: ["v"],
        photos: ["p"],
        ...later,
      }),
      rest: put("/trips/t1"),
    },
  ],
  ["a point", { list: "locations", change: location("l"), rest: batch }],
  ["the same point under another id", { list: "locations", change: location("l2"), rest: batch }],
  [
    "a day",
    {
      list: "tripDays",
      change: tripDay(dayId, "t1", "2025-04-01", { serverVersion: 0 }),
      rest: put("/trips/t1/days/2025-04-01"),
    },
  ],
  [
    "a day, edited",
    {
      list: "tripDays",
      change: tripDay(dayId, "t1", "2025-04-01", { notes: "sun", serverVersion: "newest", ...later }),
      rest: put("/trips/t1/days/2025-04-01"),
    },
  ],
  [
    "settings",
    {
      list: "settings",
      change: { unitPreferences: { distanceUnit: "IMPERIAL" }, serverVersion: 0, lastModified: minute(1) },
      rest: put("/settings"),
    },
  ],
  [
    "other settings",
    {
      list: "settings",
      change: { privacySettings: { shareLocation: true }, serverVersion: 0, lastModified: minute(2) },
      rest: put("/settings"),
      by: "second",
    },
  ],
  [
    "a later attachment by another",
    {
      list: "photoAttachments",
      change: attachment("a", "p", "v", { caption: "later", ...later }),
      rest: attach,
      by: "second",
    },
  ],
  [
    "an earlier attachment",
    { list: "photoAttachments", change: attachment("a", "p", "v", { caption: "earlier" }), rest: attach },
  ],
  [
    "a deletion",
    {
      list: "placeVisits",
      change: deleted(visit("v", { serverVersion: "newest" })),
      rest: remove("/place-visits/v"),
    },
  ],
  [
    "the deletion again",
    {
      list: "placeVisits",
      change: deleted(visit("v", { serverVersion: "newest" })),
      rest: remove("/place-visits/v"),
    },
  ],
  [
    "a deleted point",
    { list: "locations", change: deleted(location("l")), rest: remove("/locations/l"), by: "second" },
  ],
];

/** Times of the server's own, and versions: a delta may take one more number, to give its phone the whole (I9). */
const besideThePoint = new Set(["lastModified", "attachedAt", "localVersion", "serverVersion", "version"]);

class World {
  constructor(
    readonly way: Way,
    readonly first: Device,
    readonly second: Device,
  ) {}

  /** Does a step; whether it was taken. */
  async take({ list, change, rest, by }: Step): Promise<boolean> {
    const device = by === "second" ? this.second : this.first;
    const serverVersion = change.serverVersion === "newest" ? await device.counter() : change.serverVersion;
    const given = { ...change, serverVersion };
    if (this.way === "rest") return this.#restTook(list, given, await rest(device, given));
    const localChanges = { [list]: list === "settings" ? given : [given] };
    const { accepted } = await device.delta({ lastSyncVersion: await device.counter(), localChanges });
    return accepted[list].length === 1;
  }

  #restTook(list: string, given: Fields, answer: { status: number; json?: Json }): boolean {
    if (list !== "photoAttachments") return answer.status < 300;
    return answer.json.attachments[0].caption === given.caption;
  }

  /** All that a third device is given, with devices called by their part and without the server's own times. */
  async state(): Promise<Json> {
    const pages = await (await this.first.another()).everything();
    const text = JSON.stringify({
      changes: pages[0].remoteChanges,
      conflicts: (await this.first.conflicts()).filter(({ entityType }) => entityType === "PHOTO_ATTACHMENT"),
    })
      .replaceAll(this.first.id, "first")
      .replaceAll(this.second.id, "second")
      .replaceAll(/"(createdAt|resolvedAt|conflictId)":"[^"]*"/g, '"$1":"-"');
    return JSON.parse(text, (key, value) => (besideThePoint.has(key) ? "-" : value));
  }
}

test("step by step, REST and delta leave the same world behind", async () => {
  const rest = new World("rest", ...(await twoDevices(server)));
  const delta = new World("delta", ...(await twoDevices(server)));
  for (const [name, step] of steps) {
    const took = [await rest.take(step), await delta.take(step)] as const;
    expect({ name, took: took[0] }).toEqual({ name, took: took[1] });
    expect({ name, ...(await rest.state()) }).toEqual({ name, ...(await delta.state()) });
  }
});

test("what a delta wrote, REST shows and edits; what REST wrote, a delta gives", async () => {
  const [phone, browser] = await twoDevices(server);
  await phone.sync({ placeVisits: [visit("v", { notes: "by delta" })] });
  const shown = await browser.call("GET", "/place-visits/v");
  expect(shown).toMatchObject({ notes: "by delta", serverVersion: 1, deviceId: phone.id });
  const { serverVersion } = await browser.call("PUT", "/place-visits/v", {
    expectedVersion: 1,
    notes: "by REST",
  });
  const { remoteChanges } = await phone.sync();
  expect(remoteChanges.placeVisits).toMatchObject([
    { id: "v", notes: "by REST", serverVersion, deviceId: browser.id },
  ]);
});
