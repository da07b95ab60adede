import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AppError } from "../../src/errors.ts";
import { Deadline } from "../../src/storage/deadline.ts";
import { newKey } from "../../src/storage/object-key.ts";
import { openStorage, type StorageConfig } from "../../src/storage/open-storage.ts";
import { S3Transport } from "../../src/storage/s3-transport.ts";
import type { ObjectStorage } from "../../src/storage/storage.ts";
import { someBytes, streamOf } from "../support/bytes.ts";
import { findMinio, startMinio } from "../support/minio.ts";
import {
  hasS3Server,
  needsS3Server,
  openTestStorage,
  s3Config,
  type TestStorage,
} from "../support/storages.ts";
import { testConfig } from "../support/test-server.ts";

const jpeg = { mediaType: "image/jpeg" };
const part = 8 * 1024 * 1024;
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

let own: TestStorage | undefined;
beforeAll(async () => {
  if (hasS3Server()) own = await openTestStorage("s3");
});
afterAll(() => own?.remove());

test("there is a real server where one is required", () => {
  if (needsS3Server() && !hasS3Server())
    throw new Error("S3 would go untested: scripts/ensure-minio.sh found no MinIO and could not build one");
});

/** A storage that is set up like that of this test, or otherwise. */
function open(overrides: Partial<StorageConfig>): Promise<ObjectStorage> {
  const anywhere = testConfig({ storageBackend: "s3", storageAccessKey: "a", storageSecretKey: "b" });
  return openStorage({ ...(own?.config ?? anywhere), ...overrides }, undefined as never);
}

/** Something that takes connections and does with them what a test wants. */
function listen(onConnection: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on("error", () => {}));
    onConnection(socket);
  });
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return new Promise((done) =>
    server.listen(0, "127.0.0.1", () =>
      done(`http://127.0.0.1:${(server.address() as { port: number }).port}`),
    ),
  );
}

/** The error of work that has to be turned down, and how many seconds that took. */
async function refusal(work: Promise<unknown>): Promise<unknown> {
  const began = performance.now();
  const error = await work.then(
    () => null,
    (thrown) => thrown,
  );
  expect(performance.now() - began).toBeLessThan(10_000);
  return error;
}

async function expectAway(work: Promise<unknown>): Promise<void> {
  const error = await refusal(work);
  expect(error).toBeInstanceOf(AppError);
  expect((error as AppError).status).toBe(503);
  expect(Number((error as AppError).extras.headers?.["Retry-After"])).toBeGreaterThan(0);
}

/** Every call is answered with a 503, in time, and the administrator is told why. */
async function expectAllAway(storage: ObjectStorage, why: RegExp): Promise<void> {
  const key = newKey("originals");
  const probe = refusal(storage.probe());
  await Promise.all([
    expectAway(storage.put(key, streamOf(someBytes(1000)), jpeg)),
    expectAway(storage.put(key, streamOf(someBytes(part + 1)), jpeg)),
    expectAway(storage.get(key)),
    expectAway(storage.stat(key)),
    expectAway(storage.delete(key)),
    expectAway(Array.fromAsync(storage.list("originals/"))),
  ]);
  expect((await probe) as Error).toHaveProperty("message", expect.stringMatching(why));
}

describe("S3 that is away", () => {
  test("nobody listens", async () => {
    await expectAllAway(
      await open({ storageEndpoint: "http://127.0.0.1:9" }),
      /127\.0\.0\.1:9 cannot be reached/,
    );
  });

  test("it accepts and never answers", async () => {
    await expectAllAway(await open({ storageEndpoint: await listen(() => {}) }), /cannot be reached/);
  });

  test("it accepts and does not even read", async () => {
    const endpoint = await listen((socket) => socket.pause());
    await expectAllAway(await open({ storageEndpoint: endpoint }), /cannot be reached/);
  });

  test("it hangs up", async () => {
    await expectAllAway(
      await open({ storageEndpoint: await listen((socket) => socket.destroy()) }),
      /cannot be reached/,
    );
  });

  test("it answers with errors of its own", async () => {
    const answer = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    const endpoint = await listen((socket) => socket.once("data", () => socket.end(answer)));
    await expectAllAway(await open({ storageEndpoint: endpoint }), /answered 500/);
  });

  const program = findMinio();
  test.skipIf(program === null)("it is stopped in the middle, and comes back", async () => {
    const server = await startMinio(program as string);
    cleanups.push(() => process.kill(server.pid, "SIGKILL"));
    const storage = await open(s3Config(server));
    process.kill(server.pid, "SIGSTOP");
    await expectAllAway(storage, /cannot be reached/);
    process.kill(server.pid, "SIGCONT");
    expect(await refusal(storage.probe())).toHaveProperty("message", expect.stringMatching(/does not exist/));
  });

  /** Answers a GET with as many bytes as it says, or fewer. */
  const bodyOf = (socket: Socket, sent: number, hangUp: boolean) =>
    socket.once("data", () => {
      const head =
        "HTTP/1.1 206 Partial Content\r\nContent-Length: 100\r\nContent-Range: bytes 0-99/100\r\n\r\n";
      socket.write(head + "x".repeat(sent));
      if (hangUp) socket.end();
    });

  test("a body that is cut short is an error", async () => {
    const storage = await open({ storageEndpoint: await listen((socket) => bodyOf(socket, 50, true)) });
    await expectAway(storage.get(newKey("originals")));
  });

  test("a body that stops coming is an error", async () => {
    const storage = await open({ storageEndpoint: await listen((socket) => bodyOf(socket, 50, false)) });
    await expectAway(storage.get(newKey("originals")));
  });

  test("a body that comes whole is none", async () => {
    const storage = await open({ storageEndpoint: await listen((socket) => bodyOf(socket, 100, false)) });
    expect((await storage.get(newKey("originals")))?.size).toBe(100);
  });

  test("a line that is slow but moves is waited for", async () => {
    // Much more than the buffers on the way take at once.
    const body = someBytes(5 * part);
    let received = 0;
    const endpoint = await listen((socket) => {
      socket.on("data", (bytes) => {
        received += bytes.length;
        socket.pause();
        const wait = setTimeout(() => socket.resume(), (bytes.length / body.length) * 4_000);
        cleanups.push(() => clearTimeout(wait));
        if (received > body.length) socket.end("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
      });
    });
    const deadline = new Deadline(2_000);
    const { protocol, hostname, port } = new URL(endpoint);
    const headers = { "content-length": String(body.length) };
    const request = { protocol, hostname, port: Number(port), path: "/", method: "PUT", headers, body };
    const began = performance.now();
    expect((await new S3Transport().handle(request, { deadline })).response.statusCode).toBe(200);
    deadline.pause();
    // Else this has not shown anything.
    expect(performance.now() - began).toBeGreaterThan(3_000);
  });
});

describe.skipIf(!hasS3Server())("S3 that refuses", () => {
  test("a bucket that is not there is told from an object that is not", async () => {
    await expectAllAway(
      await open({ storageBucket: "no-such-bucket" }),
      /the bucket no-such-bucket does not exist/,
    );
  });

  test.skipIf(findMinio() === null)("keys that are wrong", async () => {
    await expectAllAway(await open({ storageSecretKey: "wrong-secret" }), /the secret key is wrong/);
    await expectAllAway(await open({ storageAccessKey: "wrong-key" }), /the access key does not exist/);
  });
});

describe.skipIf(!hasS3Server())("signed URLs", () => {
  const here = () => own as TestStorage;
  test("bring and fetch an object", async () => {
    const [key, bytes] = [newKey("uploads"), someBytes(100_000)];
    const sent = await fetch(here().storage.signedUrl("PUT", key, 60) ?? "", {
      method: "PUT",
      body: bytes,
      headers: { "Content-Type": "image/jpeg" },
    });
    expect(sent.status).toBe(200);
    expect((await here().storage.stat(key))?.size).toBe(bytes.length);
    const url = here().storage.signedUrl("GET", key, 60) ?? "";
    const found = await fetch(url);
    expect(Buffer.from(await found.arrayBuffer()).equals(bytes)).toBe(true);
    expect(found.headers.get("content-type")).toBe("image/jpeg");
    expect(new URL(url).pathname).toBe(`/${here().config.storageBucket}/${key}`);
  });

  test("are good for what they say only", async () => {
    const key = newKey("uploads");
    await here().storage.put(key, streamOf(someBytes(10)), jpeg);
    const url = here().storage.signedUrl("GET", key, 60) ?? "";
    expect((await fetch(url, { method: "PUT", body: "other" })).status).toBe(403);
    expect((await fetch(url.replace(key, newKey("uploads")))).status).toBe(403);
    const short = here().storage.signedUrl("GET", key, 1) ?? "";
    await Bun.sleep(2_100);
    expect((await fetch(short)).status).toBe(403);
  });

  test("are none where phones do not reach the storage", async () => {
    const storage = await open({ storagePublicEndpoint: undefined });
    expect(storage.signedUrl("GET", newKey("originals"), 60)).toBeNull();
  });

  test("can have the bucket in the host name", async () => {
    const storage = await open({ storagePublicEndpoint: "https://s3.example.org", storagePathStyle: false });
    const key = newKey("originals");
    expect(storage.signedUrl("GET", key, 60)).toStartWith(
      `https://${here().config.storageBucket}.s3.example.org/${key}?`,
    );
  });

  test("thousands take a moment", () => {
    const keys = Array.from({ length: 5000 }, () => newKey("originals"));
    const began = performance.now();
    for (const key of keys) here().storage.signedUrl("GET", key, 60);
    expect(performance.now() - began).toBeLessThan(1_000);
  });
});

describe.skipIf(!hasS3Server())("the environment", () => {
  const here = () => own as TestStorage;
  /** Runs a script of its own with a storage of the same bucket. */
  async function run(script: string, environment: Record<string, string>): Promise<string> {
    const home = await mkdtemp(join(tmpdir(), "tg-home-"));
    cleanups.push(() => rm(home, { recursive: true }));
    await Bun.write(
      join(home, ".aws/config"),
      "[default]\nregion=mars-1\nuse_fips_endpoint=true\nuse_dualstack_endpoint=true\nendpoint_url=http://127.0.0.1:9\nretry_mode=nonsense\n",
    );
    await Bun.write(
      join(home, ".aws/credentials"),
      "[default]\naws_access_key_id=a\naws_secret_access_key=b\n",
    );
    const child = Bun.spawn([process.execPath, "-e", script], {
      cwd: join(import.meta.dir, "../.."),
      env: {
        PATH: process.env.PATH ?? "",
        HOME: home,
        CONFIG: JSON.stringify(here().config),
        ...environment,
      },
      stdout: "pipe",
      stderr: "pipe",
    });
    return (await new Response(child.stdout).text()) + (await new Response(child.stderr).text());
  }
  const opening = `const { openStorage } = await import("./src/storage/open-storage.ts");
    const config = JSON.parse(process.env.CONFIG);`;
  const foreign = {
    AWS_ACCESS_KEY_ID: "foreign",
    AWS_SECRET_ACCESS_KEY: "foreign",
    AWS_REGION: "mars-1",
    AWS_DEFAULT_REGION: "mars-1",
    AWS_ENDPOINT_URL: "http://127.0.0.1:9",
    AWS_ENDPOINT_URL_S3: "http://127.0.0.1:9",
    AWS_USE_FIPS_ENDPOINT: "true",
    AWS_USE_DUALSTACK_ENDPOINT: "true",
    AWS_MAX_ATTEMPTS: "nonsense",
    AWS_RETRY_MODE: "nonsense",
    AWS_REQUEST_CHECKSUM_CALCULATION: "nonsense",
    S3_ENDPOINT: "http://127.0.0.1:9",
    S3_BUCKET: "foreign",
    S3_REGION: "mars-1",
  };

  test("changes nothing about where objects go", async () => {
    const script = `${opening}
      const storage = await openStorage(config);
      await storage.probe();
      const key = "originals/" + "0".repeat(32);
      await storage.put(key, new Blob(["hello"]).stream(), { mediaType: "text/plain" });
      console.log(await (await fetch(storage.signedUrl("GET", key, 60))).text());`;
    expect(await run(script, foreign)).toBe("hello\n");
  });

  test("a foreign token is refused before it spoils signed URLs", async () => {
    const script = `${opening} await openStorage(config).catch((error) => console.log(error.message));`;
    expect(await run(script, { AWS_SESSION_TOKEN: "foreign" })).toContain("unset it");
  });

  test("Amazon's own endpoint follows from the region", async () => {
    const script = `${opening}
      globalThis.fetch = (url) => (console.log(url.split("?")[0]), Promise.reject(new Error("enough")));
      const storage = await openStorage({ ...config, storageEndpoint: undefined, storageRegion: "eu-north-1", storageBucket: "b" });
      await storage.delete("originals/x").catch(() => {});`;
    expect(await run(script, foreign)).toStartWith("https://s3.eu-north-1.amazonaws.com/b/originals/x\n");
  });

  test("the SDK is not loaded where it is not used", async () => {
    const script = `${opening}
      await openStorage({ ...config, storageBackend: "directory", dataDir: "/nowhere" });
      const loaded = () => Object.keys(require.cache).some((path) => path.includes("@aws-sdk"));
      console.log(loaded());
      await openStorage(config);
      console.log(loaded());`;
    expect(await run(script, {})).toBe("false\ntrue\n");
  });
});
