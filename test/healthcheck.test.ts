import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { localAddress } from "../cli/healthcheck.ts";
import { connect, parseDatabaseUrl } from "../src/database/client.ts";
import { program } from "./support/program.ts";
import { createTestDatabase } from "./support/shared-postgres.ts";
import { startTestServer, type TestServer } from "./support/test-server.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "trailglass-healthcheck-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function check(port: number, env: Record<string, string> = {}, args: string[] = []) {
  const child = Bun.spawn([...program, "healthcheck", ...args], {
    cwd: folder,
    env: { PATH: process.env.PATH ?? "", APP_HOST: "127.0.0.1", APP_PORT: String(port), ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  return { code: await child.exited, out: out.trim(), err: err.trim() };
}

const portOf = (server: { url: string }) => Number(new URL(server.url).port);

/** A port on which nothing listens, and nobody else gets while it is held. */
async function heldPort(answer: string): Promise<{ port: number; server: Server }> {
  const server = createServer((socket) => socket.resume().end(answer));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { port: (server.address() as { port: number }).port, server };
}

/** A certificate for another name than the address that is asked; null where there is no openssl. */
function makeCertificate(): { tlsCertFile: string; tlsKeyFile: string } | null {
  const [tlsCertFile, tlsKeyFile] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  const options =
    "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=trails.example.org";
  const made = spawnSync("openssl", [...options.split(" "), "-out", tlsCertFile, "-keyout", tlsKeyFile]);
  return made.status === 0 ? { tlsCertFile, tlsKeyFile } : null;
}

describe("the address", () => {
  test.each([
    ["0.0.0.0", undefined, "http://127.0.0.1:8080"],
    ["::", undefined, "http://[::1]:8080"],
    ["::1", undefined, "http://[::1]:8080"],
    ["192.0.2.7", undefined, "http://192.0.2.7:8080"],
    ["fd00::7", "/cert.pem", "https://[fd00::7]:8080"],
    ["localhost", "/cert.pem", "https://localhost:8080"],
  ])("of a server that listens on %s", (host, tlsCertFile, expected) => {
    expect(localAddress({ host, port: 8080, tlsCertFile })).toBe(expected);
  });
});

describe("a server", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer({ allowPlainHttp: false });
  });
  afterAll(() => server.stop());

  test("that is ready", async () => {
    const { code, out, err } = await check(portOf(server));
    expect([code, out, err]).toEqual([0, `The server at ${server.url} is ready.`, ""]);
  });

  test("that listens everywhere is found, and nothing is left behind", async () => {
    expect((await check(portOf(server), { APP_HOST: "0.0.0.0" })).code).toBe(0);
    expect(readdirSync(folder).filter((name) => !name.endsWith(".pem"))).toEqual([]);
  });
});

test("a server with a certificate for its public name", async () => {
  const certificate = makeCertificate();
  if (certificate === null) return;
  const server = await startTestServer(certificate);
  try {
    const env = { TLS_CERT_FILE: certificate.tlsCertFile, TLS_KEY_FILE: certificate.tlsKeyFile };
    expect(await check(portOf(server), env)).toMatchObject({ code: 0, err: "" });
    expect(await check(portOf(server))).toMatchObject({ code: 1 });
  } finally {
    await server.stop();
  }
});

test("a server whose database is away", async () => {
  const own = await createTestDatabase();
  const database = connect(parseDatabaseUrl(own.url), 2);
  const server = await startTestServer({}, { database });
  try {
    await database.close();
    const { code, err } = await check(portOf(server));
    expect([code, err]).toEqual([
      1,
      `trailglass: The server at ${server.url} runs, but its database does not answer.`,
    ]);
  } finally {
    await server.stop();
    await own.drop();
  }
});

test("no server", async () => {
  const { port, server } = await heldPort("");
  await new Promise((resolve) => server.close(resolve));
  const { code, out, err } = await check(port);
  expect([code, out, err]).toEqual([1, "", `trailglass: No server answers at http://127.0.0.1:${port}.`]);
});

test("another program on its port", async () => {
  const page = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
  const { port, server } = await heldPort(page);
  try {
    const { code, err } = await check(port);
    expect([code, err]).toEqual([
      1,
      `trailglass: What answers at http://127.0.0.1:${port} is another program (status 200).`,
    ]);
  } finally {
    server.close();
  }
});

test("waits for a server that is still starting", async () => {
  const { port, server: holder } = await heldPort("");
  const checking = check(port, {}, ["--wait", "60"]);
  await Promise.race([new Promise((resolve) => holder.once("connection", resolve)), checking]);
  await new Promise((resolve) => holder.close(resolve));
  const server = await startTestServer({ port });
  try {
    expect(await checking).toMatchObject({ code: 0 });
  } finally {
    await server.stop();
  }
});

test.each(["soon", "-1", "1.5"])("--wait %s is a wrong command line", async (seconds) => {
  const { code, err } = await check(8080, {}, [`--wait=${seconds}`]);
  expect(code).toBe(64);
  expect(err).toContain("It must be whole seconds, such as 60.");
});

test("a configuration that is wrong is told as ever", async () => {
  expect(await check(8080, { REGISTRATION: "maybe" })).toMatchObject({ code: 78 });
  expect(await check(0)).toMatchObject({ code: 1, err: expect.stringContaining("APP_PORT is 0") });
});
