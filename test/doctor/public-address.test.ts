import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkBodyLimit } from "../../src/doctor/body-limit.ts";
import { checkCertificate } from "../../src/doctor/certificate.ts";
import { checkClock } from "../../src/doctor/clock.ts";
import { isPrivateHost } from "../../src/doctor/private-host.ts";
import { checkPublicAddress } from "../../src/doctor/public-address.ts";
import { startTestServer, type TestServer } from "../support/test-server.ts";
import { type CertificateFiles, hasOpenssl, makeCertificate } from "./certificates.ts";
import { partsOf, partsWithout, runProgram } from "./patient.ts";
import { type ProxyOptions, page, startProxy } from "./proxy.ts";

let server: TestServer;
let folder: string;
let good: CertificateFiles;
const proxies: { stop(): Promise<void> }[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "trailglass-doctor-"));
  server = await startTestServer();
  if (hasOpenssl) good = makeCertificate(folder, "good", 60);
});
afterEach(async () => {
  for (const proxy of proxies.splice(0)) await proxy.stop();
});
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** PUBLIC_URL as a proxy with a fault makes it. */
function behind(options: ProxyOptions = {}, target = server.url): string {
  const proxy = startProxy(target, options);
  proxies.push(proxy);
  return proxy.url;
}

const look = (publicUrl: string, more = {}) => checkPublicAddress(partsOf(server, { publicUrl, ...more }));

describe("PUBLIC_URL", () => {
  test("is skipped when it is not set", async () => {
    expect(await checkPublicAddress(partsWithout())).toMatchObject({ status: "skip" });
  });

  test("with plain HTTP at home is a warning, and to the world a failure", async () => {
    expect(await look(behind())).toMatchObject({
      status: "warn",
      detail: expect.stringContaining("is http://"),
    });
    expect(await look(behind(), { allowPlainHttp: false })).toMatchObject({ status: "fail" });
  });

  test("where nobody answers", async () => {
    const verdict = await look("http://127.0.0.1:1");
    expect(verdict).toMatchObject({ status: "fail", detail: expect.stringContaining("cannot be reached") });
  });

  test.each([
    ["a web page", () => page(200), "a web page"],
    ["a login page that is said to be JSON's answer", () => page(401), "a web page"],
    [
      "a redirection to a login page",
      () =>
        new Response(null, {
          status: 302,
          headers: { Location: "https://home.cloudflareaccess.com/cdn-cgi/access/login/x" },
        }),
      "login page at home.cloudflareaccess.com",
    ],
    [
      "a redirection elsewhere",
      () => new Response(null, { status: 301, headers: { Location: "https://elsewhere.example/" } }),
      "sends on to elsewhere.example",
    ],
    ["a gateway without a server", () => page(502), "does not reach the server"],
    [
      "another program's JSON",
      () => Response.json({ error: "UNAUTHORIZED" }, { status: 401 }),
      "not as this server does",
    ],
    [
      "another program that echoes our id",
      (request: Request) =>
        new Response("hello", { headers: { "X-Request-ID": request.headers.get("x-request-id") ?? "" } }),
      "not as this server does",
    ],
  ])("that leads to %s is a failure", async (_what, answer, said) => {
    const verdict = await look(behind({ answer }));
    expect(verdict).toMatchObject({ status: "fail", detail: expect.stringContaining(said) });
    expect(verdict.mend).toBeTruthy();
  });

  test("where an answer that looks like ours never ends is read no further than needed", async () => {
    let pieces = 0;
    const endless = () =>
      new ReadableStream({
        async pull(controller) {
          if (pieces++ > 2000) return controller.close();
          controller.enqueue(new Uint8Array(64 * 1024).fill(32));
          await Bun.sleep(0);
        },
      });
    const answer = (request: Request) =>
      new Response(endless(), {
        status: 401,
        headers: {
          "Content-Type": "application/json",
          "X-Content-Type-Options": "nosniff",
          "X-Request-ID": request.headers.get("x-request-id") ?? "",
        },
      });
    await look(behind({ answer }));
    expect(pieces).toBeGreaterThan(0);
    expect(pieces).toBeLessThan(1500);
  });

  test("that sends on to https is to be written with https", async () => {
    const answer = (request: Request) => {
      const url = new URL(request.url);
      return Response.redirect(`https://localhost${url.pathname}`, 301);
    };
    expect((await look(behind({ answer }))).mend).toContain("Write PUBLIC_URL with https://");
  });

  test("whose proxy takes the request id away", async () => {
    const changesAnswer = (headers: Headers) => headers.delete("X-Request-ID");
    expect(await look(behind({ changesAnswer }))).toMatchObject({ status: "fail" });
  });

  test("that hands the API through, but no links", async () => {
    const answer = (request: Request) => (request.url.includes("/storage/") ? page(404) : undefined);
    expect((await look(behind({ answer }))).detail).toContain("links to pictures do not get through");
  });

  test("that leads to another trailglass", async () => {
    const other = await startTestServer();
    try {
      const verdict = await look(behind({}, other.url));
      expect(verdict).toMatchObject({
        status: "fail",
        detail: expect.stringContaining("another trailglass"),
      });
    } finally {
      await other.stop();
    }
  });
});

describe.skipIf(!hasOpenssl)("PUBLIC_URL with HTTPS", () => {
  let strict: TestServer;
  beforeAll(async () => {
    strict = await startTestServer({ allowPlainHttp: false });
  });
  afterAll(() => strict.stop());

  /** As a process that trusts the test's certificate. */
  async function diagnose(options: ProxyOptions, trusts = true) {
    const publicUrl = behind({ tls: good, ...options }, strict.url);
    const env = { PUBLIC_URL: publicUrl, DATABASE_URL: strict.databaseUrl, MAX_PHOTO_SIZE: "2MB" };
    const trust = trusts ? { NODE_EXTRA_CA_CERTS: good.cert } : {};
    const { out } = await runProgram(folder, ["doctor", "--json"], { ...env, ...trust });
    const { findings } = JSON.parse(out) as {
      findings: { name: string; status: string; detail: string; mend: string }[];
    };
    return (name: string) => findings.find((finding) => finding.name === name);
  }

  test("and a proxy that does all right", async () => {
    const find = await diagnose({});
    expect(find("public-address")).toMatchObject({ status: "ok", detail: "HTTPS; this server" });
    expect(find("body-limit")).toMatchObject({ status: "ok" });
    expect(find("certificate")).toMatchObject({ status: "ok" });
    expect(find("clock")).toMatchObject({ status: "ok" });
    expect(find("plain-http")).toMatchObject({ status: "ok" });
  });

  test("and a proxy that does not say so", async () => {
    const find = await diagnose({ tellsScheme: false });
    expect(find("public-address")).toMatchObject({
      status: "fail",
      mend: expect.stringContaining("X-Forwarded-Proto"),
    });
  });

  test("and a certificate that nobody trusts", async () => {
    const find = await diagnose({}, false);
    expect(find("public-address")).toMatchObject({
      status: "fail",
      detail: expect.stringContaining("is not trusted"),
    });
  });
});

describe("the body limit", () => {
  const mb = 1024 ** 2;
  const offer = (publicUrl: string, maxPhotoBytes: number) =>
    checkBodyLimit(partsOf(server, { publicUrl, maxPhotoBytes }));

  test("is none where bodies reach the server", async () => {
    expect(await offer(server.url, 20 * mb)).toMatchObject({
      status: "ok",
      detail: expect.stringContaining("20"),
    });
  });

  test.each([
    ["1 MB, as nginx has it", 1 * mb, /of 1 MB get through, those of 8 MB do not/],
    ["10 MB", 10 * mb, /of 8 MB get through, those of 32 MB do not/],
    ["almost nothing", 10_000, /not even 1 MB/],
  ])("of %s is found", async (_what, limit, said) => {
    const verdict = await offer(behind({ limit }), 50 * mb);
    expect(verdict.status).toBe("fail");
    expect(verdict.detail).toMatch(said);
    expect(verdict.mend).toContain("client_max_body_size 51m");
  });

  test("of a proxy that hangs up is found", async () => {
    const cutting = createServer((socket) => {
      const upstream = new URL(server.url);
      const through = connect(Number(upstream.port), upstream.hostname);
      socket.on("error", () => {});
      socket.on("close", () => through.destroy());
      through.on("error", () => {});
      through.pipe(socket);
      socket.on("data", (data: Uint8Array) => {
        const announced = /content-length: (\d+)/i.exec(Buffer.from(data).toString("latin1"))?.[1];
        if (Number(announced) > 3 * mb) socket.destroy();
        else through.write(data);
      });
    });
    await new Promise<void>((resolve) => cutting.listen(0, "127.0.0.1", resolve));
    const { port } = cutting.address() as { port: number };
    const verdict = await offer(`http://127.0.0.1:${port}`, 20 * mb);
    cutting.close();
    expect(verdict).toMatchObject({ status: "fail", detail: expect.stringContaining("it hangs up") });
  });

  test("is not looked for when told so", async () => {
    const parts = partsOf(server, { publicUrl: server.url }, { bodyTest: false });
    expect(await checkBodyLimit(parts)).toMatchObject({ status: "skip" });
  });

  test("behind Cloudflare is not more than 100 MB", async () => {
    const publicUrl = behind({ changesAnswer: (headers) => headers.set("CF-Ray", "1") });
    const verdict = await offer(publicUrl, 200 * mb);
    expect(verdict).toMatchObject({ status: "warn", mend: "Set MAX_PHOTO_SIZE to 95MB." });
  });
});

describe("the clock", () => {
  test("that is wrong is found by an answer's date", async () => {
    const changesAnswer = (headers: Headers) =>
      headers.set("Date", new Date(Date.now() + 3_600_000).toUTCString());
    const verdict = await checkClock(partsOf(server, { publicUrl: behind({ changesAnswer }) }));
    expect(verdict).toMatchObject({
      status: "warn",
      detail: expect.stringMatching(/clock is (59|60) minutes behind/),
    });
  });

  test("has nothing to be compared with where the database is embedded", async () => {
    expect(await checkClock(partsWithout())).toMatchObject({ status: "skip" });
  });
});

describe.skipIf(!hasOpenssl)("certificates", () => {
  test.each([
    [60, "ok", "is good for"],
    [5, "warn", "is good for"],
    [-3, "fail", "expired on"],
  ])("that end in %d days", async (days, status, said) => {
    const files = makeCertificate(folder, `days${days}`, days);
    const own = await checkCertificate(partsWithout({ tlsCertFile: files.cert }));
    expect(own.detail).toContain(`TLS_CERT_FILE ${said}`);
    expect(own.status as string).toBe(status);
    const shown = await checkCertificate(partsWithout({ publicUrl: behind({ tls: files }) }));
    expect(shown.detail).toContain(`PUBLIC_URL ${said}`);
    expect(shown.status as string).toBe(status);
  });

  test("that are none", async () => {
    expect(await checkCertificate(partsWithout({ tlsCertFile: good.key }))).toMatchObject({ status: "fail" });
    expect(await checkCertificate(partsWithout({ tlsCertFile: "/nowhere" }))).toMatchObject({
      status: "fail",
    });
  });
});

test.each([
  ["localhost", true],
  ["trails.local", true],
  ["nas", true],
  ["192.168.1.5", true],
  ["[fd00::1]", true],
  ["100.200.1.1", false],
  ["trails.example.org", false],
  ["local.example.org", false],
])("%s is private: %p", (host, expected) => {
  expect(isPrivateHost(host)).toBe(expected);
});
