import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { sql } from "drizzle-orm";
import { instantHasher } from "../accounts/people.ts";
import { expectError } from "../http/error-shape.ts";
import { newJpeg, saying } from "../support/picture-upload.ts";
import { quadrantsPng } from "../support/png.ts";
import { hasS3Server, openTestStorage, type TestStorage } from "../support/storages.ts";
import { type Device, newDevice } from "../support/sync-client.ts";
import { deleted, photo } from "../support/sync-entities.ts";
import { startTestServer, type TestServer } from "../support/test-server.ts";

const maxPhotoBytes = 200_000;
const picture = () => newJpeg();
const sha256Of = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

type Fields = Record<string, unknown>;
interface Plan {
  readonly id: string;
  readonly serverVersion: number;
  readonly upload: {
    readonly method: string;
    readonly url: string;
    readonly headers: Record<string, string>;
    readonly expiresAt: string;
  };
}

const announcing = (id: string, bytes: Uint8Array, more: Fields = {}): Fields => ({
  ...saying(id),
  fileName: "photo.jpg",
  mimeType: "image/jpeg",
  sizeBytes: bytes.byteLength,
  ...more,
});

/** A plan that has to succeed. */
async function plan(device: Device, id: string, bytes: Uint8Array, more: Fields = {}): Promise<Plan> {
  const answer = await device.request("POST", "/photos", announcing(id, bytes, more));
  if (answer.status !== 201) throw new Error(`${answer.status}: ${answer.text}`);
  return answer.json;
}

/** What a phone does with a plan: as it says, and nothing else. */
const put = ({ upload: { method, url, headers } }: Plan, body: Uint8Array<ArrayBuffer>) =>
  fetch(url, { method, headers, body });

const confirm = (device: Device, id: string) => device.request("POST", `/photos/${id}/confirm`);
const areaIn = async (server: TestServer, area: string) =>
  (await Array.fromAsync(server.context.storage.list(`${area}/`), ({ key }) => key)).sort();

async function expectShown(device: Device, id: string, bytes: Uint8Array): Promise<void> {
  const { url, thumbnailUrl, sha256, previewProblem } = await device.call("GET", `/photos/${id}`);
  expect(sha256).toBe(sha256Of(bytes));
  expect(previewProblem).toBeNull();
  expect(Buffer.compare(Buffer.from(await (await fetch(url)).arrayBuffer()), bytes)).toBe(0);
  expect((await fetch(thumbnailUrl)).status).toBe(200);
}

describe.each(["directory", "s3"] as const)("to the backend %s", (backend) => {
  const isTested = backend !== "s3" || hasS3Server();
  let own: TestStorage;
  let server: TestServer;
  let device: Device;
  beforeAll(async () => {
    if (!isTested) return;
    own = await openTestStorage(backend);
    const { dataDir: _none, ...config } = own.config;
    server = await startTestServer({ ...config, maxPhotoBytes }, { hasher: instantHasher });
    device = await newDevice(server);
  });
  afterAll(async () => {
    await server?.stop();
    await own?.remove();
  });
  const testHere = test.skipIf(!isTested);

  testHere("planned, put, confirmed: and it is there", async () => {
    const bytes = picture();
    const planned = await plan(device, "p", bytes, { sha256: sha256Of(bytes).toUpperCase() });
    expect(planned).toMatchObject({
      id: "p",
      upload: { method: "PUT", headers: { "Content-Type": "image/jpeg" } },
    });
    const minutes = (Date.parse(planned.upload.expiresAt) - Date.now()) / 60_000;
    expect(Math.round(minutes)).toBe(15);
    expect(await device.call("GET", "/photos/p")).toMatchObject({ url: null, thumbnailUrl: null });
    const own = backend === "directory" ? server.url : server.config.storagePublicEndpoint;
    expect(planned.upload.url).toStartWith(`${own}/`);
    expect((await put(planned, bytes)).status).toBe(200);
    expect(await device.call("GET", "/photos/p")).toMatchObject({ url: null, thumbnailUrl: null });
    const answer = await confirm(device, "p");
    expect(answer.status).toBe(200);
    expect(Object.keys(answer.json).sort()).toEqual([
      "id",
      "serverVersion",
      "syncTimestamp",
      "thumbnailUrl",
      "url",
    ]);
    expect(answer.json.serverVersion).toBeGreaterThan(planned.serverVersion);
    expect((await fetch(answer.json.thumbnailUrl)).status).toBe(200);
    await expectShown(device, "p", bytes);
    expect(await areaIn(server, "uploads")).toEqual([]);
    const shown = (await device.sync()).remoteChanges.photos.find(({ id }: { id: string }) => id === "p");
    expect(shown.url).toBeString();
  });

  testHere("confirmed again, the answer is the same", async () => {
    const bytes = picture();
    await put(await plan(device, "again", bytes), bytes);
    const first = await confirm(device, "again");
    const counter = await device.counter();
    for (let n = 0; n < 2; n++) {
      const { status, json } = await confirm(device, "again");
      expect([status, json.id, json.serverVersion]).toEqual([200, "again", first.json.serverVersion]);
      expect(new URL(json.url).pathname).toBe(new URL(first.json.url).pathname);
    }
    expect(await device.counter()).toBe(counter);
  });

  testHere("a confirm that meets the end of an earlier one is answered the same", async () => {
    const bytes = picture();
    await put(await plan(device, "overlap", bytes), bytes);
    const { db } = server.context;
    const [planned] = await db.execute<{ row: string }>(
      sql`SELECT to_json(d)::text AS row FROM direct_uploads d WHERE photo_id = 'overlap'`,
    );
    const first = await confirm(device, "overlap");
    // What it read before the earlier one took plan and bytes away.
    await db.execute(
      sql`INSERT INTO direct_uploads SELECT * FROM json_populate_record(NULL::direct_uploads, ${planned?.row}::text::json)`,
    );
    const { status, json } = await confirm(device, "overlap");
    expect([status, json.serverVersion]).toEqual([200, first.json.serverVersion]);
  });

  testHere("confirmed ten times at once, the answer is the same", async () => {
    const bytes = picture();
    await put(await plan(device, "race", bytes), bytes);
    const before = await areaIn(server, "originals");
    const answers = await Promise.all(Array.from({ length: 10 }, () => confirm(device, "race")));
    expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(200));
    expect(new Set(answers.map(({ json }) => json.serverVersion)).size).toBe(1);
    expect(await areaIn(server, "originals")).toHaveLength(before.length + 1);
    await expectShown(device, "race", bytes);
  });

  testHere("planned again, the new plan holds", async () => {
    const [one, two] = [picture(), Buffer.from(quadrantsPng(40, 40))];
    const first = await plan(device, "twice", one);
    await put(first, one);
    const second = await plan(device, "twice", two, { mimeType: "image/png" });
    expectError(await confirm(device, "twice"), "CONFLICT");
    await put(second, two);
    await put(first, one);
    expect((await confirm(device, "twice")).status).toBe(200);
    await expectShown(device, "twice", two);
  });

  testHere("not confirmed before it is put", async () => {
    const bytes = picture();
    const planned = await plan(device, "early", bytes);
    for (let n = 0; n < 2; n++) expectError(await confirm(device, "early"), "CONFLICT");
    await put(planned, bytes);
    expect((await confirm(device, "early")).status).toBe(200);
    expectError(await confirm(device, "never"), "NOT_FOUND");
    await device.sync({ photos: [photo("bare")] });
    expectError(await confirm(device, "bare"), "NOT_FOUND");
  });

  /** Whether it is refused when it is put or when it is confirmed, it is not shown, and can be put again. */
  async function expectRefused(
    id: string,
    bytes: Uint8Array<ArrayBuffer>,
    bad: Uint8Array<ArrayBuffer>,
    more: Fields,
    code: string,
  ): Promise<void> {
    const planned = await plan(device, id, bytes, more);
    const before = await areaIn(server, "originals");
    const response = await put(planned, bad);
    const { status, json } = response.ok
      ? await confirm(device, id)
      : { status: response.status, json: await response.json() };
    expect([status, json.error]).toEqual([
      { VALIDATION_ERROR: 400, PAYLOAD_TOO_LARGE: 413, UNSUPPORTED_MEDIA_TYPE: 415 }[code] as number,
      code,
    ]);
    expect(await areaIn(server, "originals")).toEqual(before);
    expect((await device.call("GET", `/photos/${id}`)).url).toBeNull();
    expect((await put(planned, bytes)).status).toBe(200);
    expect((await confirm(device, id)).status).toBe(200);
    await expectShown(device, id, bytes);
  }

  testHere("of another size", async () => {
    const bytes = picture();
    const tooLarge = backend === "directory" ? "PAYLOAD_TOO_LARGE" : "VALIDATION_ERROR";
    await expectRefused("smaller", bytes, bytes.subarray(0, -1), {}, "VALIDATION_ERROR");
    await expectRefused("larger", picture(), Buffer.concat([bytes, bytes]), {}, tooLarge);
    const huge = newJpeg(maxPhotoBytes);
    await expectRefused("huge", picture(), huge, {}, "PAYLOAD_TOO_LARGE");
  });

  testHere("of another type, or none", async () => {
    const bytes = picture();
    const other = Buffer.concat([quadrantsPng(40, 40), Buffer.alloc(bytes.byteLength)]);
    const text = Buffer.alloc(bytes.byteLength, "<html>");
    const png = other.subarray(0, bytes.byteLength);
    await expectRefused("png", bytes, png, {}, "UNSUPPORTED_MEDIA_TYPE");
    await expectRefused("text", picture(), text, {}, "UNSUPPORTED_MEDIA_TYPE");
  });

  testHere("with another checksum", async () => {
    const bytes = picture();
    await expectRefused("sum", bytes, picture(), { sha256: sha256Of(bytes) }, "VALIDATION_ERROR");
  });

  testHere("a photo that has a picture takes no plan, and neither does one that was deleted", async () => {
    const bytes = picture();
    await put(await plan(device, "taken", bytes), bytes);
    await confirm(device, "taken");
    const counter = await device.counter();
    expectError(await device.request("POST", "/photos", announcing("taken", picture())), "CONFLICT");
    await device.sync({ photos: [photo("gone")] });
    await device.sync({
      photos: [deleted(photo("gone"), { serverVersion: device.cursor, localVersion: 2 })],
    });
    expectError(await device.request("POST", "/photos", announcing("gone", picture())), "CONFLICT");
    expect(await device.counter()).toBe(counter + 2);
    await expectShown(device, "taken", bytes);
  });

  testHere("a photo that is deleted in between stays deleted", async () => {
    const bytes = picture();
    await put(await plan(device, "vanished", bytes), bytes);
    const before = await areaIn(server, "originals");
    expect((await device.request("DELETE", "/photos/vanished")).status).toBe(204);
    expectError(await confirm(device, "vanished"), "CONFLICT");
    expectError(await device.request("GET", "/photos/vanished"), "NOT_FOUND");
    expect(await areaIn(server, "originals")).toEqual(before);
  });

  testHere("a plan that makes no sense", async () => {
    const bytes = picture();
    const cases: [Fields, "VALIDATION_ERROR" | "PAYLOAD_TOO_LARGE", string | null][] = [
      [{ sizeBytes: maxPhotoBytes + 1 }, "PAYLOAD_TOO_LARGE", null],
      [{ sizeBytes: 0 }, "VALIDATION_ERROR", "sizeBytes"],
      [{ sizeBytes: -1 }, "VALIDATION_ERROR", "sizeBytes"],
      [{ sizeBytes: 1.5 }, "VALIDATION_ERROR", "sizeBytes"],
      [{ sizeBytes: "5" }, "VALIDATION_ERROR", "sizeBytes"],
      [{ sizeBytes: null }, "VALIDATION_ERROR", "sizeBytes"],
      [{ mimeType: "image/svg+xml" }, "VALIDATION_ERROR", "mimeType"],
      [{ mimeType: "text/html" }, "VALIDATION_ERROR", "mimeType"],
      [{ mimeType: null }, "VALIDATION_ERROR", "mimeType"],
      [{ sha256: "abc" }, "VALIDATION_ERROR", "sha256"],
      [{ fileName: "x".repeat(256) }, "VALIDATION_ERROR", "fileName"],
      [{ timestamp: null }, "VALIDATION_ERROR", "timestamp"],
      [{ id: "a b" }, "VALIDATION_ERROR", "id"],
    ];
    for (const [more, code, key] of cases) {
      const answer = await device.request("POST", "/photos", announcing("senseless", bytes, more));
      expectError(answer, code);
      if (key !== null) expect(Object.keys(answer.json.details)).toEqual([key]);
    }
    expectError(await device.request("GET", "/photos/senseless"), "NOT_FOUND");
    // All that is allowed is.
    await plan(device, "most", bytes, { sizeBytes: maxPhotoBytes, fileName: null });
  });

  testHere("without an id, one is given", async () => {
    const bytes = picture();
    const { id, upload } = await plan(device, "", bytes, { id: null });
    expect(id).toMatch(/^[A-Za-z0-9._:-]{1,128}$/);
    expect((await fetch(upload.url, { ...upload, body: bytes })).status).toBe(200);
    expect((await confirm(device, id)).status).toBe(200);
    await expectShown(device, id, bytes);
  });

  testHere("another account knows nothing of it", async () => {
    const stranger = await newDevice(server);
    const bytes = picture();
    await put(await plan(device, "private", bytes), bytes);
    expectError(await confirm(stranger, "private"), "NOT_FOUND");
    const theirs = picture();
    await put(await plan(stranger, "private", theirs), theirs);
    expect((await confirm(stranger, "private")).status).toBe(200);
    expect((await confirm(device, "private")).status).toBe(200);
    await expectShown(device, "private", bytes);
    await expectShown(stranger, "private", theirs);
  });

  testHere("the link to put is good for nothing else", async () => {
    const bytes = picture();
    const planned = await plan(device, "misused", bytes);
    const { url } = planned.upload;
    await put(planned, bytes);
    expect((await fetch(url)).status).toBe(403);
    expect((await fetch(url, { method: "HEAD" })).status).toBe(403);
    expect((await fetch(url, { method: "DELETE" })).status).not.toBe(200);
    await confirm(device, "misused");
    const shown = new URL((await device.call("GET", "/photos/misused")).url);
    const elsewhere = new URL(url);
    elsewhere.pathname = shown.pathname;
    expect((await fetch(elsewhere, { method: "PUT", body: bytes })).status).toBe(403);
    const free = new URL(url);
    free.pathname = free.pathname.replace(/[0-9a-f]{32}$/, "0".repeat(32));
    expect((await fetch(free, { method: "PUT", body: bytes })).status).toBe(403);
    await expectShown(device, "misused", bytes);
  });

  testHere("nor when its time is over", async () => {
    const bytes = picture();
    const planned = await plan(device, "late", bytes);
    const url = new URL(planned.upload.url);
    if (backend === "directory") {
      const { SignedUrls } = await import("../../src/storage/signed-urls.ts");
      const [row] = await device.rows<{ secret: Uint8Array }>(
        sql`SELECT secret FROM server_secrets WHERE name = 'signed-urls'`,
      );
      const { address } = server.context;
      const key = url.pathname.replace("/storage/", "");
      const linkOf = (minutesAgo: number) =>
        new SignedUrls({
          secret: row?.secret as Uint8Array,
          address,
          now: () => Date.now() - minutesAgo * 60_000,
        }).put(key, { mediaType: "image/jpeg", size: bytes.byteLength });
      expect((await fetch(linkOf(16), { method: "PUT", body: bytes })).status).toBe(403);
      expect(await areaIn(server, "uploads")).not.toContain(key);
      expect((await fetch(linkOf(14), { method: "PUT", body: bytes })).status).toBe(200);
    } else {
      const key = url.pathname.split("/").slice(2).join("/");
      const short = server.context.storage.signedUrl("PUT", key, 1) as string;
      await Bun.sleep(2_500);
      expect((await fetch(short, { method: "PUT", body: bytes })).status).toBe(403);
      expect(await areaIn(server, "uploads")).not.toContain(key);
    }
  });

  testHere("once confirmed, the old link changes nothing", async () => {
    const bytes = picture();
    const planned = await plan(device, "settled", bytes);
    await put(planned, bytes);
    await confirm(device, "settled");
    await put(planned, picture());
    await expectShown(device, "settled", bytes);
    const { serverVersion } = await device.call("GET", "/photos/settled");
    expect((await confirm(device, "settled")).json.serverVersion).toBe(serverVersion);
    await expectShown(device, "settled", bytes);
  });

  // Fails: what is put under a link after its plan was confirmed has no line in the books.
  testHere("what is put too late goes with the sweeper", async () => {
    const bytes = picture();
    const planned = await plan(device, "stray", bytes);
    await put(planned, bytes);
    await confirm(device, "stray");
    await put(planned, bytes);
    await device.rows(sql`UPDATE direct_uploads SET created_at = created_at - interval '2 days'`);
    await device.rows(sql`UPDATE unreferenced_objects SET due_at = due_at - interval '2 days'`);
    await server.context.sweeper.run();
    expect(await areaIn(server, "uploads")).toEqual([]);
  });

  testHere("the same bytes as another photo's are stored once", async () => {
    const bytes = picture();
    for (const id of ["same-1", "same-2"]) {
      await put(await plan(device, id, bytes), bytes);
      expect((await confirm(device, id)).status).toBe(200);
    }
    const keys = await device.rows(sql`
      SELECT key FROM stored_objects WHERE user_id = ${device.person.userId} AND sha256 = decode(${sha256Of(bytes)}, 'hex')`);
    expect(keys).toHaveLength(1);
    await expectShown(device, "same-2", bytes);
  });

  testHere("a plan that nobody follows is forgotten after a day, and can be made again", async () => {
    const bytes = picture();
    await put(await plan(device, "forgotten", bytes), bytes);
    await device.rows(sql`UPDATE direct_uploads SET created_at = created_at - interval '25 hours'`);
    await device.rows(sql`UPDATE unreferenced_objects SET due_at = due_at - interval '25 hours'`);
    await server.context.sweeper.run();
    expectError(await confirm(device, "forgotten"), "NOT_FOUND");
    await put(await plan(device, "forgotten", bytes), bytes);
    expect((await confirm(device, "forgotten")).status).toBe(200);
  });
});
