import { randomBytes } from "node:crypto";
import { quadrantsPng } from "./png.ts";
import type { Device } from "./sync-client.ts";
import type { Answer, TestServer } from "./test-server.ts";

const base = await new Bun.Image(quadrantsPng(64, 48)).jpeg().bytes();

/** A JPEG like no other: what follows its end means nothing to who shows it. */
export const newJpeg = (): Buffer => Buffer.concat([base, randomBytes(16)]);

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
