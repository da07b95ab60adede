import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { sql } from "drizzle-orm";
import { goodPassword, instantHasher } from "../accounts/people.ts";
import { expectError } from "../http/error-shape.ts";
import { head, openRaw, type RawAnswer, type RawConnection } from "../http/raw.ts";
import { alpinePlace, exifBlock, withExif } from "../support/exif.ts";
import { jpeg, newJpeg, saying } from "../support/picture-upload.ts";
import { quadrantsPng } from "../support/png.ts";
import { type Device, newDevice, twoDevices } from "../support/sync-client.ts";
import { deleted, envelope, minute, photo, visit } from "../support/sync-entities.ts";
import { type Answer, startTestServer, type TestServer } from "../support/test-server.ts";

const maxPhotoBytes = 100_000;
const boundary = "WebAppBoundary";
const formType = `multipart/form-data; boundary=${boundary}`;
const place = exifBlock({ Model: "Pixel 8", ...alpinePlace });

const picture = () => newJpeg();
const pictureOf = (size: number) => newJpeg(size - jpeg.byteLength);
/** It says by which phone it was taken, and where. */
const placedPicture = () => newJpeg(16, withExif(jpeg, place));

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ storageBackend: "directory", maxPhotoBytes }, { hasher: instantHasher });
});
afterAll(() => server.stop());

type Fields = Record<string, unknown>;

interface FormPart {
  readonly name: string;
  readonly content: string | Uint8Array;
  readonly type?: string;
}

/** The header of a part as phones write it, two dispositions in one. */
const joined = (name: string) =>
  `form-data; name=${name}; form-data; name="${name}"${name === "file" ? '; filename="photo.jpg"' : ""}`;

/** A form as phones write it: the bytes are said to be a JPEG, whatever they are. */
function formOf(parts: readonly FormPart[], end = `\r\n--${boundary}--\r\n`): Buffer {
  const bodies = parts.flatMap(({ name, content, type = "image/jpeg" }, index) => [
    Buffer.from(
      `${index > 0 ? "\r\n" : ""}--${boundary}\r\nContent-Disposition: ${joined(name)}\r\nContent-Type: ${type}\r\n\r\n`,
    ),
    Buffer.from(content),
  ]);
  return Buffer.concat([...bodies, Buffer.from(end)]);
}

const metadataPart = (metadata: unknown): FormPart => ({
  name: "metadata",
  content: typeof metadata === "string" ? metadata : JSON.stringify(metadata),
  type: "application/json",
});
const filePart = (content: string | Uint8Array): FormPart => ({ name: "file", content });
const uploadOf = (bytes: Uint8Array, metadata: Fields) => formOf([filePart(bytes), metadataPart(metadata)]);

function send(device: Device, body: Uint8Array, type = formType): Promise<Answer> {
  const { accessToken: token, deviceId } = device.person;
  return server.request("POST", "/photos/upload", {
    token,
    deviceId,
    body,
    headers: { "Content-Type": type },
  });
}

const upload = (device: Device, bytes: Uint8Array, metadata: Fields) =>
  send(device, uploadOf(bytes, metadata));

/** An upload that has to succeed. */
async function uploaded(device: Device, bytes: Uint8Array, metadata: Fields) {
  const answer = await upload(device, bytes, metadata);
  if (answer.status !== 201) throw new Error(`${answer.status}: ${answer.text}`);
  return answer.json;
}

async function bytesAt(url: string): Promise<Buffer> {
  const response = await fetch(url);
  expect(response.status).toBe(200);
  return Buffer.from(await response.arrayBuffer());
}

const originals = async () => (await Array.fromAsync(server.context.storage.list("originals/"))).length;
const shownIn = (answer: { remoteChanges: { photos: { id: string }[] } }, id: string) =>
  answer.remoteChanges.photos.find((one) => one.id === id);

/** The head of a raw upload. */
const uploadHead = (device: Device, headers: Record<string, string>) =>
  head("POST", "/api/v1/photos/upload", {
    "X-Device-ID": device.id,
    Authorization: `Bearer ${device.person.accessToken}`,
    "Content-Type": formType,
    ...headers,
  });

/** Everything that an upload might leave somewhere. */
async function remains() {
  await server.context.previews.settle();
  const count = async (table: string) => {
    const [row] = await server.context.db.execute<{ count: number }>(
      sql`SELECT count(*)::int AS count FROM ${sql.identifier(table)}`,
    );
    return row?.count;
  };
  const stored = await Array.fromAsync(server.context.storage.list(""), ({ key }) => key);
  return {
    photos: await count("photos"),
    objects: await count("stored_objects"),
    files: await count("photo_files"),
    unreferenced: await count("unreferenced_objects"),
    stored: stored.sort(),
    incoming: await readdir(join(server.config.dataDir, "incoming")).catch(() => []),
    fragments: await readdir(join(server.config.dataDir, "objects/incoming")).catch(() => []),
  };
}

/** Runs what must leave nothing; a server that is hung up on may notice a little later. */
async function leavingNothing(run: () => Promise<void>): Promise<void> {
  const before = await remains();
  await run();
  for (let n = 0; n < 500 && !Bun.deepEquals(await remains(), before); n++) await Bun.sleep(10);
  expect(await remains()).toEqual(before);
}

describe("a picture arrives", () => {
  const keys = ["id", "serverVersion", "syncTimestamp", "thumbnailUrl", "url"];

  async function expectArrived(answer: Answer | RawAnswer, id: string, bytes: Uint8Array): Promise<void> {
    expect({ status: answer.status, json: answer.json }).toMatchObject({ status: 201, json: { id } });
    expect(Object.keys(answer.json).sort()).toEqual(keys);
    const { serverVersion, syncTimestamp, url, thumbnailUrl } = answer.json;
    expect(serverVersion).toBeGreaterThan(0);
    expect(new Date(syncTimestamp).toISOString()).toBe(syncTimestamp);
    const { width, height } = await new Bun.Image(await bytesAt(thumbnailUrl)).metadata();
    expect([width, height]).toEqual([512, 384]);
    expect((await bytesAt(url)).equals(bytes)).toBe(true);
  }

  test("in a well-formed form, in either order", async () => {
    const device = await newDevice(server);
    const { accessToken, deviceId } = device.person;
    for (const order of [
      ["file", "metadata"],
      ["metadata", "file"],
    ]) {
      const bytes = picture();
      const id = `photo_${order[0]}`;
      const form = new FormData();
      for (const name of order) {
        if (name === "file") form.set(name, new File([bytes], "été.jpg", { type: "image/jpeg" }));
        else form.set(name, JSON.stringify(saying(id)));
      }
      const response = await fetch(`${server.url}/api/v1/photos/upload`, {
        method: "POST",
        body: form,
        headers: {
          Authorization: `Bearer ${accessToken}`,
          "X-Device-ID": deviceId,
          "X-App-Version": "1.0.0",
        },
      });
      const text = await response.text();
      await expectArrived(
        { status: response.status, headers: response.headers, text, json: JSON.parse(text) },
        id,
        bytes,
      );
    }
  });

  /** Writes so that one piece after the other leaves, rather than all in one packet. */
  async function dribble(connection: RawConnection, bytes: Uint8Array, step: number): Promise<void> {
    connection.socket.setNoDelay(true);
    for (let at = 0; at < bytes.byteLength; at += step) {
      connection.write(bytes.subarray(at, at + step));
      await Bun.sleep(0);
    }
  }
  const chunk = (bytes: Uint8Array) =>
    Buffer.concat([Buffer.from(`${bytes.byteLength.toString(16)}\r\n`), bytes, Buffer.from("\r\n")]);
  function chunked(body: Uint8Array): Buffer {
    const chunks = [];
    for (let at = 0; at < body.byteLength; at += 777) chunks.push(chunk(body.subarray(at, at + 777)));
    return Buffer.concat([...chunks, Buffer.from("0\r\n\r\n")]);
  }

  test.each([
    ["with its length", "length", 0],
    ["in chunks", "chunked", 0],
    ["with its length, in pieces", "length", 501],
    ["in chunks, in pieces", "chunked", 501],
  ])("as phones send it: %s", async (_name, transfer, step) => {
    const device = await newDevice(server);
    const bytes = picture();
    const body = uploadOf(bytes, saying("photo_raw"));
    const connection = openRaw(server.url);
    const sent = transfer === "length" ? body : chunked(body);
    connection.write(
      uploadHead(
        device,
        transfer === "length"
          ? { "Content-Length": String(body.byteLength) }
          : { "Transfer-Encoding": "chunked" },
      ),
    );
    await dribble(connection, sent, step || sent.byteLength);
    await expectArrived(await connection.answer(), "photo_raw", bytes);
    connection.socket.destroy();
  });

  test("a byte at a time around every boundary", async () => {
    const device = await newDevice(server);
    const bytes = picture();
    const body = uploadOf(bytes, saying("photo_slow"));
    const start = body.indexOf(bytes);
    const end = start + bytes.byteLength;
    const connection = openRaw(server.url);
    connection.write(uploadHead(device, { "Content-Length": String(body.byteLength) }));
    await dribble(connection, body.subarray(0, start), 1);
    await dribble(connection, body.subarray(start, end), 9_973);
    await dribble(connection, body.subarray(end), 1);
    await expectArrived(await connection.answer(), "photo_slow", bytes);
    connection.socket.destroy();
  });

  test("after it was told to go on", async () => {
    const device = await newDevice(server);
    const bytes = picture();
    const body = uploadOf(bytes, saying("photo_expected"));
    const connection = openRaw(server.url);
    const told = new Promise<string>((resolve) =>
      connection.socket.once("data", (data) => resolve(String(data))),
    );
    connection.write(
      uploadHead(device, { "Content-Length": String(body.byteLength), Expect: "100-continue" }),
    );
    expect(await told).toStartWith("HTTP/1.1 100 ");
    connection.write(body);
    await expectArrived(await connection.answer(), "photo_expected", bytes);
    connection.socket.destroy();
  });

  test("what it is say its bytes, not its name or type", async () => {
    const device = await newDevice(server);
    const png = Buffer.from(quadrantsPng(60, 40));
    const { url } = await uploaded(device, png, saying("p"));
    expect((await fetch(url)).headers.get("content-type")).toBe("image/png");
    expect(await device.call("GET", "/photos/p")).toMatchObject({
      mimeType: "image/png",
      sizeBytes: png.byteLength,
      width: 60,
      height: 40,
    });
  });

  test("in all the size that is allowed", async () => {
    const device = await newDevice(server);
    const bytes = pictureOf(maxPhotoBytes);
    expect((await bytesAt((await uploaded(device, bytes, saying("p"))).url)).equals(bytes)).toBe(true);
  });
});

describe("the same picture again", () => {
  test("is the same answer, and nothing more", async () => {
    const [device, other] = await twoDevices(server);
    const bytes = picture();
    const first = await uploaded(device, bytes, saying("p"));
    const before = await remains();
    const second = await uploaded(device, bytes, saying("p"));
    expect(second.serverVersion).toBe(first.serverVersion);
    expect(await device.counter()).toBe(first.serverVersion);
    expect(await remains()).toEqual(before);
    expect(await device.conflicts()).toEqual([]);
    expect((await other.sync()).remoteChanges.photos).toHaveLength(1);
  });

  test("ten times at once: one object, one version, no conflict", async () => {
    const device = await newDevice(server);
    const bytes = picture();
    const before = await remains();
    const answers = await Promise.all(Array.from({ length: 10 }, () => upload(device, bytes, saying("p"))));
    expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(201));
    expect(new Set(answers.map(({ json }) => json.serverVersion)).size).toBe(1);
    expect(await device.counter()).toBe(answers[0]?.json.serverVersion);
    expect(await device.conflicts()).toEqual([]);
    const after = await remains();
    expect(after.objects).toBe(1 + (before.objects ?? 0));
    expect(after.unreferenced).toBe(before.unreferenced);
    expect(after.incoming).toEqual([]);
    expect(after.stored.filter((key) => key.startsWith("originals/"))).toHaveLength(
      1 + before.stored.filter((key) => key.startsWith("originals/")).length,
    );
    for (const { json } of answers) expect((await bytesAt(json.url)).equals(bytes)).toBe(true);
  });

  test("with other bytes is a conflict that keeps nothing", async () => {
    const device = await newDevice(server);
    const bytes = picture();
    await uploaded(device, bytes, saying("p"));
    await leavingNothing(async () =>
      expectError(await upload(device, picture(), saying("p", { caption: "other" })), "CONFLICT"),
    );
    const shown = await device.call("GET", "/photos/p");
    expect(shown.caption).toBeNull();
    expect((await bytesAt(shown.url)).equals(bytes)).toBe(true);
  });

  test("under another id shares what is stored", async () => {
    const device = await newDevice(server);
    const bytes = picture();
    const before = await originals();
    for (const id of ["one", "two", "three"]) await uploaded(device, bytes, saying(id));
    const raced = ["four", "five", "six", "seven"].map((id) => uploaded(device, bytes, saying(id)));
    await Promise.all(raced);
    expect(await originals()).toBe(before + 1);
    expect(
      await device.rows(sql`SELECT FROM photo_files WHERE user_id = ${device.person.userId}`),
    ).toHaveLength(7);
    expect((await bytesAt((await device.call("GET", "/photos/six")).url)).equals(bytes)).toBe(true);
  });

  test("of another account is a world of its own", async () => {
    const [ada, eve] = [await newDevice(server), await newDevice(server)];
    const bytes = picture();
    const before = await originals();
    const one = await uploaded(ada, bytes, saying("p", { caption: "mine" }));
    const two = await uploaded(eve, bytes, saying("p"));
    expect(await originals()).toBe(before + 2);
    expect(new URL(one.url).pathname).not.toBe(new URL(two.url).pathname);
    expect(two.serverVersion).toBe(1);
    expect((await eve.call("GET", "/photos/p")).caption).toBeNull();
    const others = picture();
    expect((await upload(eve, others, saying("q"))).status).toBe(201);
    expectError(await ada.request("GET", "/photos/q"), "NOT_FOUND");
    expectError(await ada.request("GET", "/photos/q/download"), "NOT_FOUND");
    expectError(await ada.request("GET", "/photos/q/thumbnail"), "NOT_FOUND");
  });
});

describe("and the journal", () => {
  test("a photo that came by delta first gets its bytes, and every device is told", async () => {
    const [device, other] = await twoDevices(server);
    await device.sync({ photos: [photo("p")] });
    expect(shownIn(await other.sync(), "p")).toMatchObject({ url: null, thumbnailUrl: null });
    const known = await device.counter();
    const { serverVersion } = await uploaded(device, picture(), saying("p"));
    expect(serverVersion).toBeGreaterThan(known);
    for (const one of [device, other]) {
      const shown = shownIn(await one.sync(), "p");
      expect(shown).toMatchObject({
        serverVersion,
        url: expect.any(String),
        thumbnailUrl: expect.any(String),
      });
      expect(shownIn(await one.sync(), "p")).toBeUndefined();
    }
  });

  test("bytes first, then the delta: what the bytes say stays shown, and the phone is given it", async () => {
    const [device, other] = await twoDevices(server);
    const { serverVersion } = await uploaded(device, placedPicture(), saying("p", { caption: "lake" }));
    const said = photo("p", { location: null, serverVersion });
    expect((await device.sync({ photos: [said] })).accepted.photos).toEqual(["p"]);
    const filled = {
      location: { latitude: 46.5, longitude: 7.25 },
      caption: "lake",
      exifData: { cameraModel: "Pixel 8" },
      url: expect.any(String),
    };
    // What is accepted is not in the same answer; it comes with the next one.
    expect(shownIn(await device.delta({ lastSyncVersion: 0 }), "p")).toMatchObject(filled);
    expect(shownIn(await other.sync(), "p")).toMatchObject(filled);
    expect(await device.conflicts()).toEqual([]);
    const edit = photo("p", {
      location: null,
      serverVersion: device.cursor,
      localVersion: 2,
      caption: "sea",
    });
    await device.sync({ photos: [edit] });
    expect(shownIn(await device.sync(), "p")).toMatchObject({ ...filled, caption: "sea" });
  });

  test("a phone that knows nothing of it is given the filled photo by its next delta", async () => {
    const device = await newDevice(server);
    await uploaded(device, placedPicture(), saying("p"));
    const first = await device.sync({ photos: [photo("p", { location: null })] });
    const shown = shownIn(first, "p") ?? shownIn(await device.sync(), "p");
    expect(shown).toMatchObject({
      location: { latitude: 46.5, longitude: 7.25 },
      exifData: { cameraModel: "Pixel 8" },
      url: expect.any(String),
    });
  });

  test("an edit of a photo that has its bytes comes back with its links", async () => {
    const device = await newDevice(server);
    await device.sync({ photos: [photo("p")] });
    await uploaded(device, picture(), saying("p"));
    await device.sync();
    await device.sync({
      photos: [photo("p", { serverVersion: device.cursor, localVersion: 2, timestamp: minute(9) })],
    });
    expect(shownIn(await device.sync(), "p")).toMatchObject({
      timestamp: minute(9),
      url: expect.any(String),
    });
    expect(shownIn(await device.sync(), "p")).toBeUndefined();
  });

  test("what a phone says wins over what the bytes say", async () => {
    const device = await newDevice(server);
    const location = { latitude: 1.5, longitude: 2.5 };
    await uploaded(device, placedPicture(), saying("p", { location, exifData: { cameraModel: "Mine" } }));
    expect(await device.call("GET", "/photos/p")).toMatchObject({
      location,
      exifData: { cameraModel: "Mine" },
    });
  });

  test("metadata never writes over what another device edited", async () => {
    const [device, other] = await twoDevices(server);
    await device.sync({ photos: [photo("p", { caption: "first" })] });
    await other.sync();
    await other.sync({
      photos: [
        photo("p", { caption: "edited", timestamp: minute(7), serverVersion: other.cursor, localVersion: 2 }),
      ],
    });
    const { serverVersion } = await uploaded(device, picture(), saying("p", { caption: "first" }));
    expect(await device.call("GET", "/photos/p")).toMatchObject({
      caption: "edited",
      timestamp: minute(7),
      url: expect.any(String),
    });
    // The phone never saw that edit: building on the answered version must not undo it without a word.
    const stale = photo("p", { caption: "stale", serverVersion, localVersion: 2, lastModified: minute(1) });
    const answer = await device.sync({ photos: [stale] });
    expect(answer.conflicts).toHaveLength(1);
    expect((await device.call("GET", "/photos/p")).caption).toBe("edited");
  });

  // Fails: the answered version lets the next edit replace a caption that this phone was never given.
  test("an answered version is no licence to write over a caption that the phone never saw", async () => {
    const [device, other] = await twoDevices(server);
    await device.sync({ photos: [photo("p")] });
    await other.sync();
    const theirs = photo("p", { caption: "theirs", serverVersion: other.cursor, localVersion: 2 });
    await other.sync({ photos: [theirs] });
    const { serverVersion } = await uploaded(
      device,
      picture(),
      saying("p", { location: { latitude: 48.1, longitude: 11.5 } }),
    );
    const mine = photo("p", { caption: "mine", serverVersion, localVersion: 2 });
    await device.sync({ photos: [mine] });
    const kept = JSON.stringify([await device.call("GET", "/photos/p"), await device.conflicts()]);
    expect(kept).toContain("theirs");
  });

  test("metadata fills what nobody has said", async () => {
    const device = await newDevice(server);
    await device.sync({ photos: [photo("p", { location: null })] });
    const location = { latitude: 1, longitude: 2 };
    await uploaded(device, picture(), saying("p", { location, caption: "new" }));
    expect(await device.call("GET", "/photos/p")).toMatchObject({ location, caption: "new" });
  });

  test("a deleted photo, or an encrypted one, takes no picture", async () => {
    const [device, other] = await twoDevices(server);
    await device.sync({ photos: [photo("gone")] });
    await device.sync({
      photos: [deleted(photo("gone"), { serverVersion: device.cursor, localVersion: 2 })],
    });
    await device.sync({ photos: [envelope("secret", "text")] }, { isEncrypted: true });
    const counter = await device.counter();
    for (const one of [device, other]) {
      for (const id of ["gone", "secret"]) {
        await leavingNothing(async () => expectError(await upload(one, picture(), saying(id)), "CONFLICT"));
      }
    }
    expect(await device.counter()).toBe(counter);
    expectError(await device.request("GET", "/photos/gone"), "NOT_FOUND");
  });

  test("a visit that is not there yet is no error, and shows when it comes", async () => {
    const device = await newDevice(server);
    await uploaded(device, picture(), saying("p", { placeVisitId: "v", tripId: "never" }));
    expect((await device.call("GET", "/photos/p")).tripId).toBeNull();
    await device.sync({ placeVisits: [visit("v")] });
    expect((await device.call("GET", "/photos/p")).placeVisitId).toBe("v");
    expect((await device.call("GET", "/place-visits/v")).photos).toEqual(["p"]);
  });

  test("what a phone calls url is never shown", async () => {
    const device = await newDevice(server);
    const where = { url: "content://media/1", thumbnailUrl: "file:///secret" };
    await uploaded(device, picture(), saying("p", where));
    await device.sync({ photos: [photo("q", where)] });
    for (const path of ["/photos", "/photos/p", "/photos/q"]) {
      const { text } = await device.request("GET", path);
      expect(text).not.toMatch(/content:|file:/);
    }
    expect(JSON.stringify(await device.everything())).not.toMatch(/content:|file:/);
  });

  test("deltas hand out links that work", async () => {
    const device = await newDevice(server);
    const bytes = picture();
    await uploaded(device, bytes, saying("p"));
    await device.sync({ photos: [photo("q")] });
    const answer = await device.delta();
    expect(shownIn(answer, "q")).toMatchObject({ url: null, thumbnailUrl: null });
    const { url, thumbnailUrl } = shownIn(answer, "p") as unknown as { url: string; thumbnailUrl: string };
    expect((await bytesAt(url)).equals(bytes)).toBe(true);
    expect((await bytesAt(thumbnailUrl)).byteLength).toBeGreaterThan(100);
  });
});

describe("what is refused keeps nothing", () => {
  let device: Device;
  beforeAll(async () => {
    device = await newDevice(server);
  });

  const metadata = metadataPart(saying("bad"));
  const file = filePart(picture());
  const cases: [
    name: string,
    parts: FormPart[],
    code: Parameters<typeof expectError>[1],
    key: string | null,
  ][] = [
    ["no file", [metadata], "VALIDATION_ERROR", "file"],
    ["two files", [file, metadata, filePart(picture())], "VALIDATION_ERROR", "file"],
    ["no metadata", [file], "VALIDATION_ERROR", "metadata"],
    ["metadata twice", [metadata, file, metadata], "VALIDATION_ERROR", "metadata"],
    ["metadata that is no JSON", [file, metadataPart("{id:")], "VALIDATION_ERROR", "metadata"],
    ["metadata that is a list", [file, metadataPart([])], "VALIDATION_ERROR", "body"],
    ["metadata that is null", [file, metadataPart("null")], "VALIDATION_ERROR", "body"],
    ["metadata without end", [file, metadataPart(" ".repeat(200_000))], "VALIDATION_ERROR", "metadata"],
    ["an id with a space", [file, metadataPart(saying("a b"))], "VALIDATION_ERROR", "id"],
    ["an id of a path", [file, metadataPart(saying("../../etc"))], "VALIDATION_ERROR", "id"],
    ["an id that is too long", [file, metadataPart(saying("x".repeat(129)))], "VALIDATION_ERROR", "id"],
    ["no id", [file, metadataPart({ timestamp: minute(1) })], "VALIDATION_ERROR", "id"],
    ["no timestamp", [file, metadataPart({ id: "bad" })], "VALIDATION_ERROR", "timestamp"],
    [
      "a place off the globe",
      [file, metadataPart(saying("bad", { location: { latitude: 91, longitude: 0 } }))],
      "VALIDATION_ERROR",
      "location.latitude",
    ],
    ["no bytes", [filePart(""), metadata], "VALIDATION_ERROR", "file"],
    ["one byte too many", [filePart(pictureOf(maxPhotoBytes + 1)), metadata], "PAYLOAD_TOO_LARGE", null],
    ["far too many bytes", [filePart(pictureOf(5 * maxPhotoBytes)), metadata], "PAYLOAD_TOO_LARGE", null],
    ["text", [filePart("just some words, called photo.jpg"), metadata], "UNSUPPORTED_MEDIA_TYPE", "file"],
    ["a short text", [filePart("x"), metadata], "UNSUPPORTED_MEDIA_TYPE", "file"],
    [
      "SVG",
      [filePart('<svg xmlns="http://www.w3.org/2000/svg"/>'), metadata],
      "UNSUPPORTED_MEDIA_TYPE",
      "file",
    ],
    [
      "HTML",
      [filePart(`<!doctype html><script>${" ".repeat(99)}</script>`), metadata],
      "UNSUPPORTED_MEDIA_TYPE",
      "file",
    ],
    ["PDF", [filePart(`%PDF-1.7 ${"x".repeat(300)}`), metadata], "UNSUPPORTED_MEDIA_TYPE", "file"],
    ["no parts", [], "VALIDATION_ERROR", "file"],
  ];
  test.each(cases)("%s", async (_name, parts, code, key) => {
    await leavingNothing(async () => {
      const answer = await send(device, formOf(parts));
      expectError(answer, code);
      if (key !== null) expect(Object.keys(answer.json.details)).toEqual([key]);
    });
  });

  test.each([
    ["no closing boundary", formOf([file, metadata], "")],
    ["half a picture", formOf([metadata, file], "").subarray(0, -5_000)],
    ["half of a header", Buffer.from(`--${boundary}\r\nContent-Dispo`)],
    ["nothing at all", Buffer.alloc(0)],
  ])("%s", async (_name, body) => {
    await leavingNothing(async () => expectError(await send(device, body), "VALIDATION_ERROR"));
  });

  test.each([
    ["application/json"],
    ["image/jpeg"],
    ["multipart/mixed; boundary=x"],
    ["application/x-www-form-urlencoded"],
  ])("a body of type %s", async (type) => {
    await leavingNothing(async () =>
      expectError(await send(device, formOf([file, metadata]), type), "UNSUPPORTED_MEDIA_TYPE"),
    );
  });

  test("a form without a boundary", async () => {
    await leavingNothing(async () =>
      expectError(await send(device, formOf([file, metadata]), "multipart/form-data"), "VALIDATION_ERROR"),
    );
  });

  test.each([["Content-Length"], ["Transfer-Encoding"]])(
    "a phone that goes away in the middle (%s)",
    async (header) => {
      const body = formOf([metadata, file]);
      const half = body.subarray(0, body.byteLength - 3_000);
      await leavingNothing(async () => {
        const connection = openRaw(server.url);
        if (header === "Content-Length") {
          connection.write(uploadHead(device, { [header]: String(body.byteLength) }));
          connection.write(half);
        } else {
          connection.write(uploadHead(device, { [header]: "chunked" }));
          connection.write(`${half.byteLength.toString(16)}\r\n`);
          connection.write(half);
          connection.write("\r\n");
        }
        // It has begun to receive, so that there is something to leave behind.
        const incoming = join(server.config.dataDir, "incoming");
        for (let n = 0; n < 500 && (await readdir(incoming)).length === 0; n++) await Bun.sleep(10);
        expect(await readdir(incoming)).toHaveLength(1);
        connection.socket.destroy();
      });
    },
  );

  test("too large is said before the rest is sent", async () => {
    const start = formOf([metadata, filePart(pictureOf(maxPhotoBytes + 1))], "");
    await leavingNothing(async () => {
      const announced = openRaw(server.url);
      announced.write(uploadHead(device, { "Content-Length": "5000000000" }));
      expectError(await announced.answer(), "PAYLOAD_TOO_LARGE");
      announced.socket.destroy();
      const unannounced = openRaw(server.url);
      unannounced.write(uploadHead(device, { "Transfer-Encoding": "chunked" }));
      unannounced.write(`${(10 * start.byteLength).toString(16)}\r\n`);
      unannounced.write(start);
      expectError(await unannounced.answer(), "PAYLOAD_TOO_LARGE");
      unannounced.socket.destroy();
    });
  });

  test("what is no picture is said before the rest is sent", async () => {
    await leavingNothing(async () => {
      const connection = openRaw(server.url);
      connection.write(uploadHead(device, { "Content-Length": "90000" }));
      connection.write(formOf([metadata, filePart("<html>".repeat(50))], ""));
      expectError(await connection.answer(), "UNSUPPORTED_MEDIA_TYPE");
      connection.socket.destroy();
    });
  });

  test("a stranger, before any of the body is sent", async () => {
    const headers = { "Content-Type": formType, "Content-Length": "50000" };
    for (const more of [{}, { Authorization: "Bearer nonsense" }]) {
      await leavingNothing(async () => {
        const connection = openRaw(server.url);
        connection.write(head("POST", "/api/v1/photos/upload", { ...headers, ...more }));
        expectError(await connection.answer(), "UNAUTHORIZED");
        connection.socket.destroy();
      });
    }
  });

  test("an account that is erased in the middle", async () => {
    const body = formOf([metadata, file]);
    await leavingNothing(async () => {
      const leaver = await newDevice(server);
      const connection = openRaw(server.url);
      connection.write(uploadHead(leaver, { "Content-Length": String(body.byteLength) }));
      connection.write(body.subarray(0, -2_000));
      const incoming = join(server.config.dataDir, "incoming");
      for (let n = 0; n < 500 && (await readdir(incoming)).length === 0; n++) await Bun.sleep(10);
      expect((await leaver.request("DELETE", "/user", { password: goodPassword })).status).toBe(204);
      connection.write(body.subarray(-2_000));
      expectError(await connection.answer(), "UNAUTHORIZED");
      connection.socket.destroy();
    });
  });

  test("and the same device can go on", async () => {
    const bytes = picture();
    expect((await bytesAt((await uploaded(device, bytes, saying("bad"))).url)).equals(bytes)).toBe(true);
  });
});
