import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { instantHasher } from "../accounts/people.ts";
import { newJpeg, uploadPicture } from "../support/picture-upload.ts";
import { type Device, newDevice, twoDevices } from "../support/sync-client.ts";
import { envelope, minute, photo } from "../support/sync-entities.ts";
import { startTestServer, type TestServer } from "../support/test-server.ts";

/* What comes with a picture is no edit: nobody's edit comes into conflict with it, and it settles nothing. */

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ storageBackend: "directory" }, { hasher: instantHasher });
});
afterAll(() => server.stop());

const here = { latitude: 1, longitude: 1 };
const there = { latitude: 2, longitude: 2 };
const elsewhere = { latitude: 3, longitude: 3 };

async function uploaded(device: Device, bytes: Uint8Array, more: object = {}) {
  const answer = await uploadPicture(server, device, { id: "p", timestamp: minute(5), ...more }, bytes);
  expect([answer.status, answer.text]).toEqual([201, expect.any(String)]);
  return answer.json;
}

/** A photo that both devices have, with its version. */
async function shared(): Promise<{ a: Device; b: Device; version: number }> {
  const [a, b] = await twoDevices(server);
  await a.sync({ photos: [photo("p", { localVersion: 1, lastModified: minute(5) })] });
  const { photos } = (await b.sync()).remoteChanges;
  return { a, b, version: photos[0].serverVersion };
}

/** The photo as a device that has nothing is given it. */
async function stands(device: Device) {
  return (await device.delta({ lastSyncVersion: 0 })).remoteChanges.photos[0];
}

test("a repeated upload leaves an open conflict open", async () => {
  const { a, b, version } = await shared();
  const bytes = newJpeg();
  await uploaded(a, bytes);
  const given = (await b.sync()).remoteChanges.photos[0];
  await a.sync();
  const known = { serverVersion: given?.serverVersion ?? version };
  await b.sync({
    photos: [photo("p", { ...known, localVersion: 1, lastModified: minute(6), location: there })],
  });
  const edit = photo("p", { ...known, localVersion: 2, lastModified: minute(7), location: elsewhere });
  expect((await a.sync({ photos: [edit] })).conflicts).toMatchObject([{ suggestedResolution: "KEEP_LOCAL" }]);
  await uploaded(a, bytes, { location: elsewhere });
  const open = await server.request("GET", "/sync/conflicts?status=open", {
    token: a.person.accessToken,
    deviceId: a.id,
  });
  expect(open.json.conflicts).toHaveLength(1);
  // The device lets go of its side, and is given the other.
  expect((await a.sync()).remoteChanges.photos).toMatchObject([{ id: "p", location: there }]);
});

test("an edit made before bytes came is taken, although more was said with them", async () => {
  const { a, b, version } = await shared();
  await uploaded(a, newJpeg(), { exifData: { cameraModel: "Pixel 8" }, caption: "with the bytes" });
  const edit = photo("p", {
    serverVersion: version,
    localVersion: 2,
    lastModified: minute(6),
    location: there,
  });
  const answer = await b.sync({ photos: [edit] });
  expect([answer.accepted.photos, answer.conflicts]).toEqual([["p"], []]);
  expect(await stands(a)).toMatchObject({
    location: there,
    caption: "with the bytes",
    exifData: { cameraModel: "Pixel 8" },
  });
});

test("what was said with the bytes of somebody else's photo is kept, and gives way to what the photo says", async () => {
  const { a, b, version } = await shared();
  await b.sync({ photos: [photo("p", { serverVersion: version, localVersion: 2, location: there })] });
  await uploaded(a, newJpeg(), { location: here, caption: "said by A", tripId: "t" });
  await a.sync({ trips: [{ id: "t", name: "T", startDate: minute(0), endDate: minute(9) }] });
  expect(await stands(b)).toMatchObject({ location: there, caption: "said by A", tripId: "t" });
});

test("an upload does not make the phone's next edit look like a late one", async () => {
  const { a } = await shared();
  await uploaded(a, newJpeg(), { exifData: { iso: 100 } });
  await uploadPicture(server, a, { id: "p", timestamp: minute(5), caption: "more" }, newJpeg());
  const edit = photo("p", { localVersion: 2, lastModified: minute(6), location: there });
  expect((await a.sync({ photos: [edit] })).accepted.photos).toEqual(["p"]);
  expect(await stands(a)).toMatchObject({ location: there });
});

test("a picture that shows to be damaged is told to every phone", async () => {
  const [a, b] = await twoDevices(server);
  await uploaded(a, newJpeg().subarray(0, 200));
  const first = (await b.sync()).remoteChanges.photos;
  const who = { token: a.person.accessToken, deviceId: a.id };
  expect((await server.request("GET", "/photos/p/thumbnail", who)).status).toBe(404);
  // The thumbnail that is made after an upload may have shown it before this phone asked for the first time.
  const heard = [...first, ...(await b.sync()).remoteChanges.photos].at(-1);
  expect(heard).toMatchObject({ thumbnailUrl: null, previewProblem: expect.any(String) });
});

test("a photo that comes back after its bytes went is told to the phone that brought it back", async () => {
  const { a, b } = await shared();
  await uploaded(a, newJpeg());
  const [mine] = (await a.sync()).remoteChanges.photos;
  await b.sync();
  await b.sync({ photos: [{ id: "p", syncAction: "DELETE", serverVersion: mine.serverVersion }] });
  await server.context.db.execute(sql`
    UPDATE photos SET deleted_at = now() - interval '2 days', server_version = server_version + 100
    WHERE user_id = ${a.person.userId} AND deleted_at IS NOT NULL`);
  await server.context.sweeper.run();
  const edit = { serverVersion: mine.serverVersion + 1000, localVersion: 9, location: there };
  expect((await a.sync({ photos: [photo("p", edit)] })).accepted.photos).toEqual(["p"]);
  expect((await a.sync()).remoteChanges.photos).toMatchObject([{ id: "p", url: null, location: there }]);
});

describe("bytes of a photo that becomes an envelope", () => {
  test("are no longer shown, and go after a day", async () => {
    const device = await newDevice(server);
    const { serverVersion, url } = await uploaded(device, newJpeg());
    const key = new URL(url).pathname.slice("/storage/".length);
    const stored = () => server.context.storage.stat(key);
    const age = () =>
      server.context.db.execute(sql`UPDATE stored_objects SET used_at = now() - interval '2 days'`);
    await age();
    const sealed = envelope("p", "sealed", { serverVersion, localVersion: 2 });
    expect((await device.sync({ photos: [sealed] }, { isEncrypted: true })).accepted.photos).toEqual(["p"]);
    await server.context.sweeper.run();
    expect(await stored()).not.toBeNull();
    await age();
    await server.context.sweeper.run();
    expect(await stored()).toBeNull();
  });
});
