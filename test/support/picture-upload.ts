import { randomBytes } from "node:crypto";
import { quadrantsPng } from "./png.ts";
import type { Device } from "./sync-client.ts";
import { minute } from "./sync-entities.ts";
import type { Answer, TestServer } from "./test-server.ts";

/** A JPEG of 800 by 600 pixels. */
export const jpeg = new Uint8Array(await new Bun.Image(quadrantsPng(800, 600)).jpeg().bytes());

/** A JPEG like no other: what follows its end means nothing to who shows it. @param more bytes that follow */
export const newJpeg = (more = 16, base: Uint8Array = jpeg) => Buffer.concat([base, randomBytes(more)]);

/** Metadata of a photo as today's app sends it, with explicit nulls. */
export const saying = (id: string, more: object = {}) => ({
  id,
  timestamp: minute(5),
  location: null,
  placeVisitId: null,
  tripId: null,
  caption: null,
  exifData: null,
  ...more,
});

/** Uploads a picture as a well-formed form. */
export async function uploadPicture(
  server: TestServer,
  { person }: Device,
  metadata: object,
  bytes: Uint8Array,
): Promise<Answer> {
  const form = new FormData();
  form.set("metadata", JSON.stringify(metadata));
  form.set("file", new Blob([new Uint8Array(bytes)]), "photo.jpg");
  const whole = new Response(form);
  const type = whole.headers.get("content-type") ?? "";
  return server.request("POST", "/photos/upload", {
    token: person.accessToken,
    deviceId: person.deviceId,
    body: await whole.bytes(),
    headers: { "Content-Type": type },
  });
}
