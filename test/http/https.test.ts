import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readProxyRanges } from "../../src/config/proxy-ranges.ts";
import { ListenError, listen } from "../../src/http/server.ts";
import { instantHasher, register } from "../accounts/people.ts";
import { startTestServer, type TestServer } from "../support/test-server.ts";
import { expectError } from "./error-shape.ts";

describe("behind a trusted proxy", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer({ allowPlainHttp: false });
  });
  afterAll(() => server.stop());
  const get = (path: string, headers: Record<string, string> = {}) =>
    server.request("GET", path, { headers });

  test("plain HTTP is refused before anything else is said", async () => {
    for (const path of ["/trips", "/nothing", "/auth/login"]) expectError(await get(path), "HTTPS_REQUIRED");
    const nobody = await server.request("POST", "/trips", { deviceId: null, body: "{" });
    expectError(nobody, "HTTPS_REQUIRED");
    expect(nobody.headers.get("strict-transport-security")).toBeNull();
  });

  test("HTTPS as the proxy tells it is let in, and told to stay", async () => {
    for (const [path, code] of [
      ["/trips", "UNAUTHORIZED"],
      ["/nothing", "NOT_FOUND"],
    ] as const) {
      const answer = await get(path, { "X-Forwarded-Proto": "https" });
      expectError(answer, code);
      expect(answer.headers.get("strict-transport-security")).toBe("max-age=31536000");
    }
  });

  test("half the way is not enough", async () => {
    expectError(await get("/trips", { "X-Forwarded-Proto": "http, https" }), "HTTPS_REQUIRED");
    expectError(await get("/trips", { "X-Forwarded-Proto": "http" }), "HTTPS_REQUIRED");
    expectError(await get("/trips", { "X-Forwarded-SSL": "on", Forwarded: "proto=https" }), "HTTPS_REQUIRED");
  });

  test("health may be probed in clear, and nothing that looks like it", async () => {
    for (const path of ["/health", "/health/live", "/health/ready"]) {
      expect((await get(path)).status).toBe(200);
      expect((await fetch(`${server.url}${path}`)).status).toBe(200);
    }
    for (const path of ["/healthy", "/trips/health", "/sync/health"])
      expectError(await get(path), "HTTPS_REQUIRED");
  });
});

test("a proxy that is not trusted is not believed", async () => {
  const server = await startTestServer({
    allowPlainHttp: false,
    trustedProxies: readProxyRanges.parse("192.0.2.1"),
  });
  try {
    const headers = { "X-Forwarded-Proto": "https" };
    const answer = await server.request("GET", "/trips", { headers });
    expectError(answer, "HTTPS_REQUIRED");
    expect(answer.headers.get("strict-transport-security")).toBeNull();
  } finally {
    await server.stop();
  }
});

/** A certificate for localhost, made on the spot; null where there is no openssl. */
function makeCertificate(folder: string): { tlsCertFile: string; tlsKeyFile: string } | null {
  const [tlsCertFile, tlsKeyFile] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  const options =
    "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost";
  const names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
  const made = spawnSync("openssl", [
    ...options.split(" "),
    ...names,
    "-out",
    tlsCertFile,
    "-keyout",
    tlsKeyFile,
  ]);
  return made.status === 0 ? { tlsCertFile, tlsKeyFile } : null;
}

describe("with a certificate of its own", () => {
  const folder = mkdtempSync(join(tmpdir(), "trailglass-tls-"));
  const certificate = makeCertificate(folder);
  if (!certificate) console.warn("skipped: there is no openssl to make a certificate with");
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test.skipIf(!certificate)("it serves HTTPS, and nothing else", async () => {
    const server = await startTestServer(
      { ...certificate, allowPlainHttp: false },
      { hasher: instantHasher },
    );
    try {
      expect(server.url).toStartWith("https://");
      const tls = { ca: await Bun.file(certificate?.tlsCertFile ?? "").text() };
      const answer = await fetch(`${server.url}/api/v1/trips`, { tls });
      expect(answer.status).toBe(400);
      expect(answer.headers.get("strict-transport-security")).toBe("max-age=31536000");
      expect(await answer.json()).toMatchObject({ details: { header: "X-Device-ID" } });
      await expect(fetch(`${server.url}/health`)).rejects.toThrow(/certificate/i);
      await expect(fetch(`${server.url.replace("https", "http")}/health`)).rejects.toThrow();
    } finally {
      await server.stop();
    }
  });

  test("files that cannot be used are named", async () => {
    const server = await startTestServer();
    const start = (files: { tlsCertFile: string; tlsKeyFile: string }) =>
      listen({
        ...server.context,
        config: { ...server.config, ...files },
        handle: async () => new Response(),
      });
    const missing = { tlsCertFile: join(folder, "none.pem"), tlsKeyFile: join(folder, "none.key") };
    try {
      expect(() => start(missing)).toThrow(ListenError);
      expect(() => start(missing)).toThrow(/TLS_CERT_FILE/);
      const rubbish = { tlsCertFile: import.meta.path, tlsKeyFile: import.meta.path };
      expect(() => start(rubbish)).toThrow(/TLS_CERT_FILE/);
      if (certificate) {
        expect(() => start({ ...certificate, tlsKeyFile: missing.tlsKeyFile })).toThrow(/TLS_KEY_FILE/);
      }
    } finally {
      await server.stop();
    }
  });
});

test("a person registers through a proxy as through a cable", async () => {
  const server = await startTestServer({ allowPlainHttp: false }, { hasher: instantHasher });
  try {
    await expect(register(server)).rejects.toThrow("HTTPS_REQUIRED");
  } finally {
    await server.stop();
  }
});
