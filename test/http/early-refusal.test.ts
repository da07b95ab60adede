import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createApp } from "../../src/app.ts";
import { listen, type RunningServer } from "../../src/http/server.ts";
import { type Patience, patienceFor } from "../../src/http/unread-body.ts";
import { instantHasher, type Person, register } from "../accounts/people.ts";
import { startServerProcess } from "../support/server-process.ts";
import { createTestDatabase } from "../support/shared-postgres.ts";
import { startTestServer, type TestServer } from "../support/test-server.ts";
import { expectError } from "./error-shape.ts";
import { head, openRaw, type RawConnection } from "./raw.ts";

const mb = 1024 ** 2;
const hour = 3600_000;
const upload = "/api/v1/photos/upload";
/** Waits for whoever still sends, however slow the machine. */
const patient: Patience = { ...patienceFor(50 * mb), total: hour, pause: hour, closingPause: hour };

let server: TestServer;
let ada: Person;
const listening: RunningServer[] = [];
beforeAll(async () => {
  server = await startTestServer({}, { hasher: instantHasher });
  ada = await register(server);
});
afterEach(async () => {
  for (const one of listening.splice(0)) await one.stop(0);
});
afterAll(() => server.stop());

/** The same application on another port, with a patience of its own. */
function start(patience: Partial<Patience> = {}): RunningServer {
  const app = createApp(server.context);
  const handle = (request: Request) => app.handle(request);
  const running = listen({ ...server.context, handle, patience: { ...patient, ...patience } });
  listening.push(running);
  return running;
}

const signed = () => ({ Authorization: `Bearer ${ada.accessToken}`, "X-Device-ID": ada.deviceId });
const piece = Buffer.alloc(64 * 1024, " ");

/** Hands bytes over as fast as they are taken. @returns how many were, which is fewer when the server hangs up */
async function pour(connection: RawConnection, bytes: number, wrap = (data: Buffer) => data) {
  const { socket, closed } = connection;
  const isGone = closed.then(() => false);
  let sent = 0;
  while (sent < bytes) {
    const data = wrap(piece.subarray(0, Math.min(piece.length, bytes - sent)));
    const taken = new Promise<boolean>((resolve) => socket.write(data, (error) => resolve(!error)));
    if (!(await Promise.race([taken, isGone])) || socket.destroyed) break;
    sent = Math.min(sent + piece.length, bytes);
  }
  return sent;
}

const chunk = (data: Buffer) =>
  Buffer.concat([Buffer.from(`${data.length.toString(16)}\r\n`), data, Buffer.from("\r\n")]);

async function expectUsable(connection: RawConnection): Promise<void> {
  connection.write(head("GET", "/health/live"));
  expect((await connection.answer()).status).toBe(200);
  connection.socket.destroy();
}

describe("a body of 20 MB that is refused unread is taken all the same, and then answered", () => {
  const size = 20 * mb;
  const length = { "Content-Length": String(size) };
  const old = { Authorization: "Bearer old" };

  test.each<[string, string, string, Record<string, string>]>([
    ["with an old token", "POST", upload, old],
    ["without a token", "PUT", "/api/v1/trips/a", {}],
    ["to nowhere", "POST", "/api/v1/nothing", {}],
    ["of a method that is not taken", "DELETE", "/api/v1/auth/login", {}],
    ["for which leave is asked", "POST", upload, { ...old, Expect: "100-continue" }],
  ])("%s", async (_what, method, path, headers) => {
    const connection = openRaw(start().url);
    connection.write(head(method, path, { ...headers, ...length }));
    expect(await pour(connection, size)).toBe(size);
    const answer = await connection.answer();
    expect([401, 404, 405]).toContain(answer.status);
    expect(answer.json.requestId).toBe(answer.headers["x-request-id"]);
    await expectUsable(connection);
  });

  test.each([
    ["HTTP/1.1", { Connection: "close" }],
    ["HTTP/1.1", { Connection: "foo, Close" }],
    ["HTTP/1.0", { Connection: "close" }],
    ["HTTP/1.0", {}],
  ])("by %s %p, which closes afterwards", async (version, headers: Record<string, string>) => {
    const connection = openRaw(start().url);
    connection.write(head("POST", upload, { ...headers, ...length }).replace("HTTP/1.1", version));
    expect(await pour(connection, size)).toBe(size);
    expectError(await connection.answer(), "UNAUTHORIZED");
    await connection.closed;
  });

  test.each(["close", "keep-alive"])("in chunks (%s)", async (Connection) => {
    const connection = openRaw(start().url);
    connection.write(head("POST", upload, { Connection, "Transfer-Encoding": "chunked" }));
    expect(await pour(connection, size, chunk)).toBe(size);
    connection.write("0\r\n\r\n");
    expectError(await connection.answer(), "UNAUTHORIZED");
    if (Connection === "close") await connection.closed;
    else await expectUsable(connection);
  });

  test("when it is not wanted by what succeeds", async () => {
    const trip = {
      id: "unwanted",
      name: "A",
      startDate: "2025-01-01T00:00:00Z",
      endDate: "2025-01-01T00:00:00Z",
    };
    await server.request("POST", "/trips", { token: ada.accessToken, deviceId: ada.deviceId, body: trip });
    const connection = openRaw(start().url);
    connection.write(
      head("DELETE", "/api/v1/trips/unwanted", { ...signed(), ...length, Connection: "close" }),
    );
    expect(await pour(connection, size)).toBe(size);
    expect((await connection.answer()).status).toBe(204);
  });

  test("and the request behind it is served, sent along with its end", async () => {
    const connection = openRaw(start().url);
    connection.write(head("POST", upload, length));
    await pour(connection, size - 10);
    connection.write(`${" ".repeat(10)}${head("GET", "/health/live")}`);
    expectError(await connection.answer(), "UNAUTHORIZED");
    expect((await connection.answer()).status).toBe(200);
    connection.socket.destroy();
  });
});

describe("a body that is refused in the middle is read to its end", () => {
  const close = { Connection: "close" };
  const form = (part: string) =>
    `--x\r\nContent-Disposition: form-data; name="${part}"; filename="a"\r\n\r\nno picture, and no JSON`;

  test.each<[string, string, "VALIDATION_ERROR" | "UNSUPPORTED_MEDIA_TYPE"]>([
    ["metadata that is too long", "metadata", "VALIDATION_ERROR"],
    ["what is no picture", "file", "UNSUPPORTED_MEDIA_TYPE"],
  ])("%s", async (_what, name, error) => {
    const connection = openRaw(start().url);
    const length = { "Content-Length": String(20 * mb + form(name).length) };
    const type = { "Content-Type": "multipart/form-data; boundary=x" };
    connection.write(head("POST", upload, { ...signed(), ...close, ...length, ...type }) + form(name));
    expect(await pour(connection, 20 * mb)).toBe(20 * mb);
    expectError(await connection.answer(), error);
  });

  test("JSON in chunks beyond its limit", async () => {
    const connection = openRaw(start().url);
    const headers = { ...signed(), ...close, "Transfer-Encoding": "chunked" };
    connection.write(head("POST", "/api/v1/trips", headers));
    expect(await pour(connection, 20 * mb, chunk)).toBe(20 * mb);
    connection.write("0\r\n\r\n");
    expectError(await connection.answer(), "PAYLOAD_TOO_LARGE");
  });

  test("what is put to a signed URL, in chunks beyond what was planned", async () => {
    const body = { id: crypto.randomUUID(), timestamp: "2025-01-01T00:00:00Z" };
    const { json } = await server.request("POST", "/photos", {
      token: ada.accessToken,
      deviceId: ada.deviceId,
      body: { ...body, mimeType: "image/jpeg", sizeBytes: mb },
    });
    const { pathname, search } = new URL(json.upload.url);
    const connection = openRaw(start().url);
    const type = { "Content-Type": "image/jpeg", "Transfer-Encoding": "chunked" };
    connection.write(head("PUT", pathname + search, { ...close, ...type }));
    expect(await pour(connection, 20 * mb, chunk)).toBe(20 * mb);
    connection.write("0\r\n\r\n");
    expectError(await connection.answer(), "PAYLOAD_TOO_LARGE");
  });
});

describe("patience ends", () => {
  test.each(["close", "keep-alive"])(
    "with who never ends: the connection is cut (%s)",
    async (Connection) => {
      const connection = openRaw(start({ bytes: 8 * mb }).url);
      connection.write(head("POST", upload, { Connection, "Transfer-Encoding": "chunked" }));
      // Beside what is read, buffers of the system on both sides hold some.
      expect(await pour(connection, 10_000 * mb, chunk)).toBeLessThan(100 * mb);
      await connection.closed;
    },
  );

  test("with a body that says it is larger: it is refused at once", async () => {
    const connection = openRaw(start({ bytes: 8 * mb }).url);
    connection.write(head("POST", upload, { "Content-Length": String(8 * mb + 1) }));
    const answer = await connection.answer();
    expectError(answer, "UNAUTHORIZED");
    expect(answer.headers.connection).toBe("close");
    await connection.closed;
  });

  test.each<[string, Partial<Patience>, number]>([
    ["who pauses", { pause: 50 }, 0],
    ["who is slow", { total: 50 }, 1000],
  ])("with %s: the answer comes, and the connection still goes on", async (_what, patience, bytes) => {
    const connection = openRaw(start(patience).url);
    connection.write(head("POST", upload, { "Content-Length": "100000" }));
    let sent = 0;
    let isAnswered = false;
    const answer = connection.answer().finally(() => {
      isAnswered = true;
    });
    for (; !isAnswered && sent + bytes < 100_000; sent += bytes) {
      connection.write(" ".repeat(bytes));
      await Bun.sleep(5);
    }
    expectError(await answer, "UNAUTHORIZED");
    connection.write(" ".repeat(100_000 - sent));
    await expectUsable(connection);
  });

  test("with who asked to close, and pauses", async () => {
    const connection = openRaw(start({ closingPause: 50 }).url);
    connection.write(head("POST", upload, { "Content-Length": "100000", Connection: "close" }));
    expectError(await connection.answer(), "UNAUTHORIZED");
    await connection.closed;
  });

  test("when the server stops", async () => {
    const running = start();
    const connection = openRaw(running.url);
    connection.write(`${head("POST", upload, { "Content-Length": "100000" })} `);
    const asked = server.logs.length;
    const answer = connection.answer();
    await Bun.sleep(50);
    await running.stop(3600);
    expectError(await answer, "UNAUTHORIZED");
    await connection.closed;
    expect(server.logs.slice(asked).map(({ status }) => status)).toEqual([401]);
  });

  test("with who goes away, which is no error of ours", async () => {
    const { url } = start();
    const before = server.logs.length;
    const leavers = Array.from({ length: 20 }, () => openRaw(url));
    for (const leaver of leavers) leaver.write(`${head("POST", upload, { "Content-Length": "100000" })} `);
    await Bun.sleep(50);
    for (const leaver of leavers) leaver.socket.destroy();
    const logged = () => server.logs.slice(before);
    while (logged().length < leavers.length) await Bun.sleep(5);
    expect(logged().every(({ level, status }) => level === "info" && status === 401)).toBe(true);
  });
});

test("ten bodies of 50 MB at once cost no memory", async () => {
  const database = await createTestDatabase();
  const child = await startServerProcess({ env: { DATABASE_URL: database.url } });
  try {
    /** Most bytes of memory that the process ever had. */
    const peak = () =>
      1024 * Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1]);
    const offer = async () => {
      const connection = openRaw(child.url);
      const headers = { "Content-Length": String(50 * mb), Connection: "close" };
      connection.write(head("POST", upload, headers));
      await pour(connection, 50 * mb);
      return (await connection.answer()).status;
    };
    const before = peak();
    const statuses = await Promise.all(Array.from({ length: 10 }, offer));
    expect(statuses).toEqual(Array(10).fill(401));
    expect(peak() - before).toBeLessThan(120 * mb);
  } finally {
    await child.stop();
    await database.drop();
  }
});

function freePort(): Promise<number> {
  const probe = createServer();
  return new Promise((resolve) => {
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });
}

const nginx = Bun.which("nginx") ?? Bun.which("nginx", { PATH: "/usr/sbin:/usr/local/sbin" });

describe.skipIf(nginx === null)("behind nginx as it comes", () => {
  test.each(["on", "off"])("the answer gets through (request buffering %s)", async (buffering) => {
    const folder = mkdtempSync(join(tmpdir(), "trailglass-nginx-"));
    const port = await freePort();
    const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
      .map((name) => `${name}_temp_path ${folder}/${name};`)
      .join(" ");
    writeFileSync(
      join(folder, "nginx.conf"),
      `daemon off; master_process off; pid ${folder}/pid; events {}
      http { access_log off; ${paths} client_max_body_size 100m;
        server { listen 127.0.0.1:${port};
          location / { proxy_pass ${start().url}; proxy_request_buffering ${buffering}; } } }`,
    );
    const command = [nginx ?? "", "-e", join(folder, "error.log"), "-c", join(folder, "nginx.conf")];
    const child = Bun.spawn(command, { stdout: "ignore", stderr: "ignore" });
    try {
      const url = `http://127.0.0.1:${port}`;
      while (!(await fetch(url).catch(() => null))) await Bun.sleep(20);
      for (let round = 0; round < 10; round++) {
        const connection = openRaw(url);
        connection.write(head("POST", upload, { "Content-Length": String(20 * mb) }));
        await pour(connection, 20 * mb);
        expectError(await connection.answer(), "UNAUTHORIZED");
        connection.socket.destroy();
      }
    } finally {
      child.kill();
      await child.exited;
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
