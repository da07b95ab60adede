import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connect, type DatabaseClient, parseDatabaseUrl } from "../../src/database/client.ts";
import { openStorage } from "../../src/storage/open-storage.ts";
import { deviceInfo } from "../accounts/people.ts";
import { newPicture } from "../storage/picture-server.ts";
import { SeededRandom } from "../support/seeded-random.ts";
import { type ServerProcess, startServerProcess } from "../support/server-process.ts";
import { createTestDatabase, type TestDatabase } from "../support/shared-postgres.ts";
import type { Json } from "../support/sync-client.ts";
import { photo } from "../support/sync-entities.ts";
import { testConfig } from "../support/test-server.ts";
import { until } from "../support/until.ts";
import { readJson, unzip } from "./archives.ts";

const seed = Number(process.env.TEST_SEED || Math.floor(Math.random() * 1e9));
/** How often a server is killed while it makes the same export. */
const kills = 2;

describe.each(["directory", "database"] as const)("killed in the middle, with the backend %s", (backend) => {
  const random = new SeededRandom(seed + backend.length);
  let own: TestDatabase;
  let client: DatabaseClient;
  let server: ServerProcess;
  let headers: Record<string, string>;
  beforeAll(async () => {
    console.log(`TEST_SEED=${seed}`);
    own = await createTestDatabase();
    client = connect(parseDatabaseUrl(own.url), 2);
    server = await startServerProcess({ env: { DATABASE_URL: own.url, STORAGE_BACKEND: backend } });
    const deviceId = crypto.randomUUID();
    headers = { "X-Device-ID": deviceId, "X-App-Version": "1.0.0" };
    const person = { email: "ada@example.org", password: "correct horse battery", displayName: "Ada" };
    const { accessToken } = await call("POST", "/auth/register", {
      ...person,
      deviceInfo: deviceInfo(deviceId),
    });
    headers.Authorization = `Bearer ${accessToken}`;
    for (let number = 0; number < 4; number++) {
      const form = new FormData();
      form.set("metadata", JSON.stringify(photo(`photo_${number}`)));
      form.set("file", new Blob([newPicture(6_000_000)]), "photo.png");
      await call("POST", "/photos/upload", form);
    }
  });
  afterAll(async () => {
    await server?.stop();
    await client?.close();
    await own?.drop();
  });

  async function call(method: string, path: string, body?: Json): Promise<Json> {
    const isForm = body instanceof FormData;
    const answer = await fetch(`${server.url}/api/v1${path}`, {
      method,
      headers: { ...headers, ...(!isForm && { "Content-Type": "application/json" }) },
      ...(body !== undefined && { body: isForm ? body : JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (answer.status >= 300) throw new Error(`${answer.status}: ${text}\n${server.output()}`);
    return JSON.parse(text);
  }

  const announced = async () =>
    (
      await client.sql<{ key: string }[]>`SELECT key FROM unreferenced_objects WHERE key LIKE 'exports/%'`
    ).map(({ key }) => key);

  const isDone = async () => (await client.sql`SELECT 1 FROM exports WHERE status = 'COMPLETED'`).length > 0;

  async function storedKeys(): Promise<string[]> {
    const config = testConfig({ storageBackend: backend, dataDir: server.dataDir });
    const storage = await openStorage(config, client.db);
    return Array.fromAsync(storage.list("exports/"), ({ key }) => key);
  }

  test("it ends with one file, and every attempt is in the books until it is swept", async () => {
    const { exportId } = await call("POST", "/export/request", { format: "JSON", includePhotos: true });
    const attempts = new Set<string>();
    // It may be done before it is killed a second time, but hardly before the first.
    for (let kill = 0; kill < kills; kill++) {
      await until(async () => (await announced()).some((key) => !attempts.has(key)) || (await isDone()));
      if (await isDone()) break;
      for (const key of await announced()) attempts.add(key);
      await Bun.sleep(random.int(0, 20));
      await server.kill("SIGKILL");
      const { status } = (await client.sql`SELECT status FROM exports`)[0] as Json;
      expect(["PROCESSING", "COMPLETED"]).toContain(status);
      for (const key of await storedKeys()) expect([...attempts]).toContain(key);
      // As if half a minute had gone by, in which nobody said that the job is in work.
      await client.sql`UPDATE jobs SET lease_until = now() WHERE state = 'running'`;
      await server.restart();
    }
    await until(async () => (await call("GET", `/export/${exportId}/status`)).status === "COMPLETED");
    const { downloadUrl, sha256, fileSize } = await call("GET", `/export/${exportId}/status`);
    const { pathname, search } = new URL(downloadUrl);
    const bytes = await (await fetch(server.url + pathname + search)).bytes();
    expect([bytes.byteLength, new Bun.CryptoHasher("sha256").update(bytes).digest("hex")]).toEqual([
      fileSize,
      sha256,
    ]);
    expect(readJson(await unzip(bytes), "export.json")).toMatchObject({ missing: [] });
    const kept = pathname.replace("/storage/", "");
    const left = await announced();
    expect((await storedKeys()).filter((key) => key !== kept && !left.includes(key))).toEqual([]);
    expect(await client.sql`SELECT state FROM jobs WHERE kind = 'export'`).toMatchObject([{ state: "done" }]);
  });
});
