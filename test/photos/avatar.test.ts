import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { instantHasher } from "../accounts/people.ts";
import { expectError } from "../http/error-shape.ts";
import { alpinePlace, exifBlock, withExif } from "../support/exif.ts";
import { jpeg } from "../support/picture-upload.ts";
import { quadrantsOf } from "../support/pixels.ts";
import { quadrantsPng } from "../support/png.ts";
import { type Device, newDevice } from "../support/sync-client.ts";
import { startTestServer, type TestServer } from "../support/test-server.ts";

const maxBytes = 10 * 1024 * 1024;
/** Lies on its side, and says where it was taken. */
const turned = withExif(jpeg, exifBlock({ Orientation: 6, Model: "Secret Phone", ...alpinePlace }));

let server: TestServer;
let device: Device;
beforeAll(async () => {
  server = await startTestServer({ storageBackend: "directory" }, { hasher: instantHasher });
  device = await newDevice(server);
});
afterAll(() => server.stop());

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");
const put = (profilePhoto: unknown) => device.request("PUT", "/user/profile", { profilePhoto });
const profile = () => device.call("GET", "/user/profile");
const avatars = () => Array.fromAsync(server.context.storage.list("avatars/"), ({ key }) => key);

async function shown(): Promise<Uint8Array<ArrayBuffer>> {
  const response = await fetch((await profile()).profilePhotoUrl);
  expect([response.status, response.headers.get("content-type")]).toEqual([200, "image/jpeg"]);
  expect(response.headers.get("x-content-type-options")).toBe("nosniff");
  return new Uint8Array(await response.arrayBuffer());
}

test("there is none at first", async () => {
  expect((await profile()).profilePhotoUrl).toBeNull();
});

const fixture = (name: string) => Bun.file(`${import.meta.dir}/fixtures/${name}`).bytes();
const kinds: [name: string, text: string][] = [
  ["base64", base64(jpeg)],
  ["a data URL", `data:image/jpeg;base64,${base64(jpeg)}`],
  ["base64 in lines", base64(jpeg).replace(/.{76}/g, "$&\r\n")],
  ["base64 of URLs, without its end", Buffer.from(jpeg).toString("base64url")],
  ["a PNG that calls itself a JPEG", `data:image/jpeg;base64,${base64(quadrantsPng(80, 60))}`],
  ["a HEIC", base64(await fixture("quadrants.heic"))],
  ["an AVIF", base64(await fixture("quadrants.avif"))],
];
test.each(kinds)("%s is taken, and shown by its link", async (_name, text) => {
  const answer = await put(text);
  expect(answer.status).toBe(200);
  expect(Object.keys(answer.json).sort()).toEqual(["profilePhotoUrl", "updatedAt", "userId"]);
  expect((await fetch(answer.json.profilePhotoUrl)).status).toBe(200);
  expect(await quadrantsOf(await shown())).toBe("red green blue yellow");
});

test("is small, upright, and says nothing of where it was taken", async () => {
  expect((await put(base64(turned))).status).toBe(200);
  const bytes = await shown();
  expect(await new Bun.Image(bytes).metadata()).toMatchObject({ width: 384, height: 512 });
  expect(await quadrantsOf(bytes)).toBe("blue red yellow green");
  const text = Buffer.from(bytes).toString("latin1");
  expect(text).not.toContain("Exif");
  expect(text).not.toContain("Secret Phone");
});

test("one that was replaced is there for a day, and gone then", async () => {
  await put(base64(jpeg));
  const old = (await profile()).profilePhotoUrl;
  const [before = ""] = (await avatars()).filter((key) => old.includes(key));
  await put(base64(turned));
  const due = await device.rows<{ inADay: boolean }>(sql`
    SELECT due_at BETWEEN now() + interval '23 hours' AND now() + interval '24 hours' AS "inADay"
    FROM unreferenced_objects WHERE key = ${before}`);
  expect([...due]).toEqual([{ inADay: true }]);
  await server.context.sweeper.run();
  expect((await fetch(old)).status).toBe(200);
  await device.rows(sql`UPDATE unreferenced_objects SET due_at = due_at - interval '1 day'`);
  await server.context.sweeper.run();
  expect((await fetch(old)).status).toBe(404);
  expect(await avatars()).toHaveLength(1);
  await shown();
});

test("an empty text takes it away; null, and none, leave it", async () => {
  await put(base64(jpeg));
  for (const body of [{ profilePhoto: null }, {}, { displayName: "Eve" }]) {
    expect((await device.request("PUT", "/user/profile", body)).json.profilePhotoUrl).toBeString();
  }
  expect((await put("")).json.profilePhotoUrl).toBeNull();
  expect((await profile()).profilePhotoUrl).toBeNull();
  expect((await put("")).status).toBe(200);
});

test("a picture changes nothing else", async () => {
  const { profilePhotoUrl: _before, ...rest } = await profile();
  await put(base64(jpeg));
  const { profilePhotoUrl: _after, ...same } = await profile();
  expect(same).toEqual(rest);
  await device.call("PUT", "/user/profile", { displayName: "Grace", profilePhoto: base64(turned) });
  expect((await profile()).displayName).toBe("Grace");
});

test("ten at once: one is left, and the others are due", async () => {
  await device.rows(sql`UPDATE unreferenced_objects SET due_at = now()`);
  await server.context.sweeper.run();
  const pictures = Array.from({ length: 10 }, (_, n) => base64(quadrantsPng(60 + n, 60)));
  expect((await Promise.all(pictures.map(put))).map(({ status }) => status)).toEqual(Array(10).fill(200));
  await shown();
  await device.rows(sql`UPDATE unreferenced_objects SET due_at = now()`);
  await server.context.sweeper.run();
  expect(await avatars()).toHaveLength(1);
  await shown();
});

describe("what is refused leaves the old one", () => {
  const bad: [name: string, text: unknown, code: "VALIDATION_ERROR" | "PAYLOAD_TOO_LARGE"][] = [
    ["no base64", "not base64!", "VALIDATION_ERROR"],
    ["blanks", "   ", "VALIDATION_ERROR"],
    ["a link", "https://example.org/me.jpg", "VALIDATION_ERROR"],
    ["a number", 7, "VALIDATION_ERROR"],
    ["an object", {}, "VALIDATION_ERROR"],
    ["text", base64(Buffer.from("just some words")), "VALIDATION_ERROR"],
    ["SVG", base64(Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>')), "VALIDATION_ERROR"],
    ["a damaged picture", base64(jpeg.subarray(0, 40)), "VALIDATION_ERROR"],
    [
      "a byte too many",
      base64(Buffer.concat([jpeg, Buffer.alloc(maxBytes + 1 - jpeg.byteLength)])),
      "PAYLOAD_TOO_LARGE",
    ],
    ["far too much", base64(Buffer.alloc(2 * maxBytes)), "PAYLOAD_TOO_LARGE"],
  ];
  test.each(bad)("%s", async (_name, text, code) => {
    await put(base64(jpeg));
    const { profilePhotoUrl } = await profile();
    const before = await avatars();
    expectError(await put(text), code);
    expect(await avatars()).toEqual(before);
    expect(new URL((await profile()).profilePhotoUrl).pathname).toBe(new URL(profilePhotoUrl).pathname);
  });

  test("nothing is renamed with a picture that is refused", async () => {
    const { displayName } = await profile();
    const body = { displayName: "Mallory", profilePhoto: "not base64!" };
    expectError(await device.request("PUT", "/user/profile", body), "VALIDATION_ERROR");
    expect((await profile()).displayName).toBe(displayName);
    await put("");
    const badName = { displayName: "", profilePhoto: base64(jpeg) };
    expectError(await device.request("PUT", "/user/profile", badName), "VALIDATION_ERROR");
    expect((await profile()).profilePhotoUrl).toBeNull();
  });

  test("all the size that is allowed is taken", async () => {
    const bytes = Buffer.concat([jpeg, Buffer.alloc(maxBytes - jpeg.byteLength)]);
    expect((await put(base64(bytes))).status).toBe(200);
  });
});
