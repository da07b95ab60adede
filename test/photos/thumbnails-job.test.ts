import { afterAll, beforeAll, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { instantHasher } from "../accounts/people.ts";
import { newJpeg, saying, uploadPicture } from "../support/picture-upload.ts";
import { type Device, newDevice } from "../support/sync-client.ts";
import { startTestServer, type TestServer } from "../support/test-server.ts";

let server: TestServer;
let phone: Device;
beforeAll(async () => {
  server = await startTestServer({}, { hasher: instantHasher });
  phone = await newDevice(server);
});
afterAll(() => server.stop());

const stored = async (area: string) => {
  const keys: string[] = [];
  for await (const { key } of server.context.storage.list(`${area}/`)) keys.push(key);
  return keys;
};
const jobs = () => server.context.db.execute(sql`SELECT state FROM jobs WHERE kind = 'thumbnails'`);

test("an upload asks for thumbnails, once a picture, and a worker makes them", async () => {
  const picture = newJpeg();
  for (const id of ["a", "a", "b"]) {
    const answer = await uploadPicture(server, phone, saying(id), picture);
    expect(answer.status).toBe(201);
  }
  expect(await jobs()).toMatchObject([{ state: "waiting" }]);
  expect(await stored("thumbnails")).toEqual([]);
  await server.context.worker.runDue();
  expect(await jobs()).toMatchObject([{ state: "done" }]);
  expect(await stored("thumbnails")).toHaveLength(2);
});

test("a picture that is damaged is no reason to try again", async () => {
  const broken = newJpeg(16, new Uint8Array([0xff, 0xd8, 0xff, 0xe0, 0, 16, 74, 70, 73, 70, 0, 1]));
  const { status } = await uploadPicture(server, phone, saying("broken"), broken);
  expect(status).toBe(201);
  await server.context.worker.runDue();
  expect(await jobs()).toMatchObject([{ state: "done" }, { state: "done" }]);
});

test("an upload that is refused asks for nothing", async () => {
  const before = (await jobs()).length;
  expect((await uploadPicture(server, phone, saying("a"), newJpeg())).status).toBe(409);
  expect(await jobs()).toHaveLength(before);
});
