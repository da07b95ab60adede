import { deviceInfo } from "../accounts/people.ts";
import { setAvatar, upload } from "../storage/picture-server.ts";
import { Household } from "../support/household.ts";
import { RandomJournal } from "../support/random-journal.ts";
import { SeededRandom } from "../support/seeded-random.ts";
import { Device } from "../support/sync-client.ts";
import { deleted, envelope, location, minute, photo, trip, visit } from "../support/sync-entities.ts";
import type { TestServer } from "../support/test-server.ts";

/** One more device of a household, which does exactly what a test says. */
async function deviceOf(server: TestServer, { credentials }: Household): Promise<Device> {
  const deviceId = crypto.randomUUID();
  const answer = await server.request("POST", "/auth/login", {
    deviceId,
    body: { ...credentials, deviceInfo: deviceInfo(deviceId) },
  });
  return new Device(server, { ...answer.json, ...credentials, deviceId });
}

/**
 * An account with everything that there can be: written at random from three phones that quarrel, with envelopes,
 * links that were taken away, pictures, and conflicts that are open, settled and owed.
 */
export async function liveALife(server: TestServer, seed: number): Promise<Device> {
  const household = new Household(server.url);
  const random = new SeededRandom(seed);
  await household.add({ name: "Ada's" });
  await household.add({ name: "Bob's", newClient: true, decide: () => "later" });
  await household.add({ name: "Cid's", newClient: true, decide: () => "let-go" });
  const journals = household.phones.map((phone) => new RandomJournal(phone, random.fork()));
  for (let round = 0; round < 12; round++) {
    for (const journal of journals) {
      for (let step = 0; step < 8; step++) journal.step();
      await journal.phone.sync();
    }
  }
  const device = await deviceOf(server, household);
  await device.sync();
  await device.sync({
    trips: [trip("trip_linked", { placeVisits: ["visit_1", "never_came"] }), trip("trip_gone")],
    placeVisits: [visit("visit_1", { photos: ["PHOTO:1", "photo_2"], notes: "=1+1" }), visit("visit_quiet")],
    photos: [photo("PHOTO:1"), photo("photo:1"), photo("photo_2"), photo("photo_gone")],
    locations: [location("without_time", { lastModified: null, timestamp: "2025-04-02T00:00:00.000Z" })],
    settings: { trackingPreferences: { accuracy: "HIGH" }, lastModified: minute(9) },
  });
  for (const id of ["PHOTO:1", "photo:1", "photo_2", "photo_gone"]) await upload(device, id);
  await setAvatar(device);
  await device.sync();
  const { serverVersion } = await device.call("GET", "/trips/trip_linked");
  await device.call("PUT", "/trips/trip_linked", { placeVisits: [], expectedVersion: serverVersion });
  for (const path of ["/trips/trip_gone", "/photos/photo_gone"]) await device.request("DELETE", path);
  const sealed = { isEncrypted: true };
  await device.sync(
    {
      placeVisits: [envelope("visit_quiet", "secret"), envelope("e_visit", "a")],
      trips: [envelope("e_trip", "b")],
    },
    sealed,
  );
  await device.sync({ trips: [deleted(envelope("e_trip", "b"))] }, sealed);
  return device;
}
