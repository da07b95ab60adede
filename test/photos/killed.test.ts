import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { connect, type DatabaseClient, parseDatabaseUrl } from "../../src/database/client.ts";
import { openStorage } from "../../src/storage/open-storage.ts";
import { SeededRandom } from "../support/seeded-random.ts";
import { type ServerProcess, startServerProcess } from "../support/server-process.ts";
import { createTestDatabase, type TestDatabase } from "../support/shared-postgres.ts";
import { testConfig } from "../support/test-server.ts";

/** Uploads altogether, half of them to each backend. `TEST_KILLED_UPLOADS` makes it more. */
const uploads = Number(process.env.TEST_KILLED_UPLOADS || 60);
const seed = Number(process.env.TEST_SEED || Math.floor(Math.random() * 1e9));
/** How often a server is killed while it is sent uploads. */
const kills = 5;
/** Phones that upload at once. */
const lanes = 4;

/** Begins like a JPEG, and goes on with chance. */
function somePicture(random: SeededRandom): Uint8Array<ArrayBuffer> {
  const bytes = Uint8Array.from({ length: random.int(200, 40_000) }, () => random.int(0, 255));
  bytes.set([255, 216, 255]);
  return bytes;
}

const sha256Of = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

interface Picture {
  readonly id: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly sha256: string;
  /** Version that was answered, once it was. */
  version?: number;
}

describe.each(["directory", "database"] as const)(
  "killed again and again, with the backend %s",
  (backend) => {
    const random = new SeededRandom(seed + backend.length);
    let own: TestDatabase;
    let client: DatabaseClient;
    let server: ServerProcess;
    let userId: string;
    let headers: Record<string, string>;
    beforeAll(async () => {
      console.log(`TEST_SEED=${seed}`);
      own = await createTestDatabase();
      client = connect(parseDatabaseUrl(own.url), 2);
      server = await startServerProcess({ env: { DATABASE_URL: own.url, STORAGE_BACKEND: backend } });
      const deviceId = crypto.randomUUID();
      headers = { "X-Device-ID": deviceId, "X-App-Version": "1.0.0" };
      const answer = await call("POST", "/auth/register", {
        email: "ada@example.org",
        password: "correct horse battery",
        displayName: "Ada",
        deviceInfo: {
          deviceId,
          deviceName: "Pixel",
          platform: "Android",
          osVersion: "15",
          appVersion: "1.0.0",
        },
      });
      const person = (await answer.json()) as { userId: string; accessToken: string };
      userId = person.userId;
      headers.Authorization = `Bearer ${person.accessToken}`;
    });
    afterAll(async () => {
      await server?.stop();
      await client?.close();
      await own?.drop();
    });

    const call = (method: string, path: string, body?: unknown) =>
      fetch(`${server.url}/api/v1${path}`, {
        method,
        headers: { ...headers, ...(!(body instanceof FormData) && { "Content-Type": "application/json" }) },
        ...(body !== undefined && { body: body instanceof FormData ? body : JSON.stringify(body) }),
      });

    /** @throws when the server goes away before it has answered */
    async function upload(picture: Picture): Promise<void> {
      const form = new FormData();
      form.set("file", new Blob([picture.bytes]), "photo.jpg");
      form.set("metadata", JSON.stringify({ id: picture.id, timestamp: "2025-04-01T12:00:00.000Z" }));
      const answer = await call("POST", "/photos/upload", form);
      const text = await answer.text();
      if (answer.status !== 201) throw new Error(`${answer.status}: ${text}\n${server.output()}`);
      const { serverVersion } = JSON.parse(text) as { serverVersion: number };
      if (picture.version !== undefined) expect(serverVersion).toBeGreaterThanOrEqual(picture.version);
      picture.version = serverVersion;
    }

    /** Uploads from several phones at once, and kills the server somewhere in the middle. */
    async function uploadUntilKilled(pictures: readonly Picture[]): Promise<void> {
      const killAt = random.int(0, pictures.length - 1);
      const later = random.int(0, 12);
      const waiting = [...pictures];
      let begun = 0;
      let killed: Promise<void> | undefined;
      const kill = async () => {
        await Bun.sleep(later);
        await server.kill("SIGKILL");
      };
      const phone = async () => {
        for (let next = waiting.shift(); next; next = waiting.shift()) {
          if (begun++ === killAt) killed = kill();
          const sent = upload(next);
          await sent.catch((error: Error) => {
            // Whatever an answer says, other than that it is done, is no way to be killed.
            if (/^\d{3}: /.test(error.message)) throw error;
          });
        }
      };
      await Promise.all(Array.from({ length: lanes }, phone));
      await killed;
    }

    interface Row {
      readonly id: string;
      readonly key: string;
      readonly sha256: string;
    }

    const shownPictures = async (): Promise<Row[]> =>
      await client.sql<Row[]>`
      SELECT f.photo_id AS id, o.key, encode(o.sha256, 'hex') AS sha256
      FROM photo_files f JOIN stored_objects o USING (user_id, sha256) WHERE user_id = ${userId}`;

    /** Every photo that has a picture has its bytes, and they are the right ones. */
    async function expectWhole(pictures: readonly Picture[]): Promise<void> {
      const sent = new Map(pictures.map(({ id, sha256 }) => [id, sha256]));
      const shown = await shownPictures();
      for (const { id, sha256 } of shown) {
        expect(sent.get(id)).toBe(sha256);
        const answer = await call("GET", `/photos/${id}/download`);
        expect([id, answer.status]).toEqual([id, 200]);
        expect(sha256Of(await answer.bytes())).toBe(sha256);
      }
      const ids = new Set(shown.map(({ id }) => id));
      const lost = pictures.filter(({ id, version }) => version !== undefined && !ids.has(id));
      expect(lost.map(({ id }) => id)).toEqual([]);
    }

    async function keysInStorage(): Promise<string[]> {
      const config = testConfig({ storageBackend: backend, dataDir: server.dataDir });
      const storage = await openStorage(config, client.db);
      return Array.fromAsync(storage.list(""), ({ key }) => key);
    }

    /** What lies in the storage is referred to, or has a line by which the sweeper finds it. */
    async function expectBooksToBeRight(): Promise<void> {
      const keys = await keysInStorage();
      const known = await client.sql<{ key: string }[]>`
      SELECT key FROM stored_objects UNION SELECT key FROM unreferenced_objects`;
      const nameOf = (key: string) => key.split("/")[1]?.split("-")[0];
      const names = new Set(known.map(({ key }) => nameOf(key)));
      // What a server looks with, whether its storage works, is swept by its age.
      const lasting = keys.filter((key) => !key.startsWith("probes/"));
      expect(lasting.filter((key) => !names.has(nameOf(key)))).toEqual([]);
    }

    test("it loses nothing, and shows nothing that is not there", async () => {
      const pictures = Array.from({ length: Math.ceil(uploads / 2) }, (_, index): Picture => {
        const bytes = somePicture(random);
        return { id: `photo_${index}`, bytes, sha256: sha256Of(bytes) };
      });
      for (let round = 0; round < kills; round++) {
        // Those that were not answered are sent again among the new ones, as phones do.
        const before = pictures.slice(0, Math.floor((round / kills) * pictures.length));
        const fresh = pictures.slice(before.length, Math.floor(((round + 1) / kills) * pictures.length));
        const repeated = before.filter(({ version }) => version === undefined && random.chance(0.5));
        await uploadUntilKilled([...repeated, ...fresh]);
        await server.restart();
        await expectWhole(pictures);
        await expectBooksToBeRight();
      }
      const unanswered = pictures.filter(({ version }) => version === undefined);
      expect(unanswered.length).toBeGreaterThan(0);
      // In a repeat, what was answered before is answered the same.
      for (const picture of pictures) await upload(picture);
      expect(await shownPictures()).toHaveLength(pictures.length);
      expect(await keysInStorage()).not.toHaveLength(0);
      await expectWhole(pictures);
      await expectBooksToBeRight();
    });
  },
);
