import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { sql } from "drizzle-orm";
import { goodPassword, instantHasher } from "../accounts/people.ts";
import { jpeg, newJpeg } from "../support/picture-upload.ts";
import { hasS3Server, openTestStorage, type TestStorage } from "../support/storages.ts";
import { type Device, newDevice } from "../support/sync-client.ts";
import { minute, photo } from "../support/sync-entities.ts";
import { startTestServer, type TestServer } from "../support/test-server.ts";

/** Milliseconds within which everybody is answered: phones are promised ten seconds. */
const patience = 12_000;

/** Stands between a server and its storage, and may be shut, or swallow everything. */
class Gate {
  #server: Server | undefined;
  #port = 0;
  readonly #sockets = new Set<Socket>();
  hangs = false;

  constructor(readonly behind: URL) {}

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async open(): Promise<void> {
    this.hangs = false;
    this.#cut();
    if (this.#server) return;
    this.#server = createServer((socket) => this.#accept(socket)).listen(this.#port, "127.0.0.1");
    await once(this.#server, "listening");
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  async shut(): Promise<void> {
    this.#cut();
    const closed = this.#server && once(this.#server, "close");
    this.#server?.close();
    await closed;
    this.#server = undefined;
  }

  /** Takes connections and requests from now on, and answers none. */
  hang(): void {
    this.hangs = true;
    this.#cut();
  }

  #cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #accept(socket: Socket): void {
    this.#keep(socket);
    if (this.hangs) return void socket.resume();
    const storage = connect(Number(this.behind.port), this.behind.hostname);
    this.#keep(storage);
    socket.pipe(storage).pipe(socket);
    socket.on("close", () => storage.destroy());
    storage.on("close", () => socket.destroy());
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => this.#sockets.delete(socket));
  }
}

function get(device: Device, path: string, init: RequestInit = {}): Promise<Response> {
  return fetch(`${device.server.url}/api/v1${path}`, {
    ...init,
    headers: {
      Authorization: `Bearer ${device.person.accessToken}`,
      "X-Device-ID": device.id,
      "X-App-Version": "1.0.0",
      ...(!(init.body instanceof FormData) && { "Content-Type": "application/json" }),
    },
  });
}

function upload(device: Device, id: string, bytes: Uint8Array<ArrayBuffer>): Promise<Response> {
  const body = new FormData();
  body.set("file", new Blob([bytes]), "photo.jpg");
  body.set("metadata", JSON.stringify({ id, timestamp: minute(5) }));
  return get(device, "/photos/upload", { method: "POST", body });
}

/** @throws when there is no answer in time */
async function inTime<T>(work: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error("no answer in time")), patience);
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

async function expectAway(name: string, asked: Promise<Response>): Promise<void> {
  const response = await inTime(asked).catch((error: Error) => {
    throw new Error(`${name}: ${error.message}`);
  });
  const { error, message, requestId } = (await response.json()) as Record<string, string>;
  expect({ name, status: response.status, error }).toEqual({
    name,
    status: 503,
    error: "SERVICE_UNAVAILABLE",
  });
  expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
  expect(message).not.toMatch(/127\.0\.0\.1|ECONN|socket|s3/i);
  expect(response.headers.get("x-request-id")).toBe(requestId ?? "");
}

describe.skipIf(!hasS3Server())("a storage", () => {
  let own: TestStorage;
  let gate: Gate;
  let server: TestServer;
  let ada: Device;
  let eve: Device;
  const shown = newJpeg(100_000);
  const planned = newJpeg();
  let links: { url: string; thumbnailUrl: string };
  let plan: { upload: { url: string } };
  beforeAll(async () => {
    own = await openTestStorage("s3");
    gate = new Gate(new URL(own.config.storageEndpoint as string));
    await gate.open();
    const { dataDir: _none, storagePublicEndpoint: _nor, ...config } = own.config;
    server = await startTestServer({ ...config, storageEndpoint: gate.url }, { hasher: instantHasher });
    [ada, eve] = [await newDevice(server), await newDevice(server)];
    const answer = await upload(ada, "shown", shown);
    expect(answer.status).toBe(201);
    links = (await answer.json()) as typeof links;
    const { byteLength: sizeBytes } = planned;
    const announced = {
      id: "planned",
      timestamp: minute(1),
      fileName: "x.jpg",
      mimeType: "image/jpeg",
      sizeBytes,
    };
    plan = await ada.call("POST", "/photos", announced);
    expect((await fetch(plan.upload.url, { method: "PUT", body: planned })).status).toBe(200);
    await server.context.previews.settle();
  });
  afterAll(async () => {
    await gate?.open();
    await server?.stop();
    await gate?.shut();
    await own?.remove();
  });

  afterEach(() => gate.open());

  async function kept() {
    const { db } = server.context;
    const rows = async (query: ReturnType<typeof sql>) => [...(await db.execute(query))];
    return {
      photos: await rows(sql`SELECT id FROM photos WHERE id LIKE 'new%'`),
      files: await rows(sql`SELECT photo_id, sha256 FROM photo_files ORDER BY photo_id`),
      objects: await rows(sql`SELECT key FROM stored_objects ORDER BY key`),
      avatars: await rows(sql`SELECT id FROM users WHERE avatar_key IS NOT NULL`),
      incoming: await readdir(join(server.config.dataDir, "incoming")).catch(() => []),
    };
  }

  /** Asks for everything that needs the storage, while both accounts go on with their journals. */
  async function expectOnlyPicturesAway(name: string): Promise<void> {
    const before = await kept();
    const profilePhoto = Buffer.from(jpeg).toString("base64");
    let answered = 0;
    const asked = [
      ["upload", upload(ada, `new-${name}`, newJpeg())],
      ["large upload", upload(ada, `new-large-${name}`, newJpeg(9_000_000))],
      ["upload of what is there", upload(ada, `new-same-${name}`, shown)],
      ["download", get(ada, "/photos/shown/download")],
      ["thumbnail", get(ada, "/photos/shown/thumbnail?size=2048")],
      ["confirm", get(ada, "/photos/planned/confirm", { method: "POST" })],
      ["link", fetch(links.url)],
      ["link to a thumbnail", fetch(links.thumbnailUrl)],
      ["link to put", fetch(plan.upload.url, { method: "PUT", body: planned })],
      ["profile", get(ada, "/user/profile", { method: "PUT", body: JSON.stringify({ profilePhoto }) })],
    ] as const;
    for (const [, answer] of asked) void answer.finally(() => answered++);
    const answers = Promise.all(asked.map(([what, answer]) => expectAway(`${what}, ${name}`, answer)));
    for (let n = 0; n < 5; n++) {
      for (const device of [ada, eve]) {
        const id = `note-${name}-${n}`;
        expect((await device.sync({ photos: [photo(id)] })).accepted.photos).toEqual([id]);
        expect((await device.request("GET", "/photos")).status).toBe(200);
      }
    }
    // Nobody waited for the storage in the meantime.
    if (gate.hangs) expect(answered).toBe(0);
    await answers;
    expect(await kept()).toEqual(before);
    expect((await ada.call("GET", "/photos/shown")).url).toBeString();
  }

  async function expectBack(name: string): Promise<void> {
    await gate.open();
    expect((await upload(ada, `new-${name}`, newJpeg())).status).toBe(201);
    expect((await upload(ada, `new-same-${name}`, shown)).status).toBe(201);
    const download = await get(ada, "/photos/shown/download");
    expect(Buffer.compare(Buffer.from(await download.arrayBuffer()), shown)).toBe(0);
    expect((await get(ada, "/photos/shown/thumbnail?size=2048")).status).toBe(200);
    expect((await fetch(links.url)).status).toBe(200);
    // Thumbnails are made from files in the folder that the next test looks into.
    await server.context.previews.settle();
  }

  test("that is away: pictures are 503, journals go on, nothing is kept", async () => {
    await gate.shut();
    await expectOnlyPicturesAway("away");
    await expectBack("away");
  });

  test("that hangs: the same", async () => {
    gate.hang();
    await expectOnlyPicturesAway("hanging");
    await expectBack("hanging");
  });

  test("that is back again: what was put can be confirmed", async () => {
    const answer = await get(ada, "/photos/planned/confirm", { method: "POST" });
    expect(answer.status).toBe(200);
    const { url } = (await answer.json()) as { url: string };
    expect(Buffer.compare(Buffer.from(await (await fetch(url)).arrayBuffer()), planned)).toBe(0);
  });

  // The answer may not wait for each of the account's pictures, eight seconds each.
  test("that hangs keeps nobody from erasing an account", async () => {
    const device = await newDevice(server);
    for (let n = 0; n < 3; n++) expect((await upload(device, `p${n}`, newJpeg())).status).toBe(201);
    await server.context.previews.settle();
    gate.hang();
    const answer = await inTime(device.request("DELETE", "/user", { password: goodPassword })).finally(() =>
      gate.open(),
    );
    expect(answer.status).toBe(204);
  });
});

test("a server starts without its storage, and keeps journals", async () => {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as AddressInfo;
  probe.close();
  const server = await startTestServer(
    {
      storageBackend: "s3",
      storageEndpoint: `http://127.0.0.1:${port}`,
      storageAccessKey: "key",
      storageSecretKey: "secret",
    },
    { hasher: instantHasher },
  );
  try {
    const device = await newDevice(server);
    await expectAway("upload", upload(device, "p", newJpeg()));
    expect((await device.sync({ photos: [photo("p")] })).accepted.photos).toEqual(["p"]);
    expect(await device.call("GET", "/photos/p")).toMatchObject({ url: null });
  } finally {
    await server.stop();
  }
});
