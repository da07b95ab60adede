import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { isFromOwnMachine } from "../../src/http/own-machine.ts";
import { audience, type KeyServer, newTeamKey, startKeyServer, team } from "../access/team.ts";
import { expectError } from "../http/error-shape.ts";
import { sendRaw } from "../http/raw.ts";
import { startTestServer, type TestServer } from "../support/test-server.ts";

const token = "a-token-for-the-metrics";
const pair = {
  cloudflareAccessClientId: "0123456789abcdef.access",
  cloudflareAccessClientSecret: "the secret of the pair",
};

/** A server with metrics, for as long as the tests of a describe run. */
function serving(...given: Parameters<typeof startTestServer>) {
  const [config, parts] = given;
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer({ metricsEnabled: true, ...config }, parts);
  });
  afterAll(() => server.stop());
  const ask = async (headers: Record<string, string> = {}, path = "/metrics") => {
    const answer = await fetch(`${server.url}${path}`, { headers });
    const text = await answer.text();
    if (answer.status === 200) {
      expect(text).toContain("trailglass_build_info");
      expect(answer.headers.get("content-type")).toStartWith("text/plain; version=0.0.4");
      expect(answer.headers.get("cache-control")).toBe("no-store");
    } else {
      expect(text).not.toContain("trailglass_");
      const code = {
        400: "HTTPS_REQUIRED",
        401: "UNAUTHORIZED",
        403: "FORBIDDEN",
        404: "NOT_FOUND",
      } as const;
      const { status, headers } = answer;
      expectError({ status, headers, text, json: JSON.parse(text) }, code[status as keyof typeof code]);
    }
    return answer.status;
  };
  return { ask, url: () => server.url };
}

describe("metrics that nobody switched on", () => {
  const { ask } = serving({ metricsEnabled: false, metricsToken: token });

  test("are not there", async () => {
    expect([await ask(), await ask({ Authorization: `Bearer ${token}` })]).toEqual([404, 404]);
  });
});

describe("without any guard, metrics are", () => {
  const { ask, url } = serving({});

  test("for programs on the same machine", async () => {
    expect(await ask()).toBe(200);
  });

  test.each([
    ["X-Forwarded-For", "192.0.2.7"],
    ["X-Forwarded-For", "127.0.0.1"],
    ["X-Forwarded-Proto", "https"],
    ["X-Real-IP", "127.0.0.1"],
    ["Forwarded", "for=127.0.0.1"],
    ["Via", "1.1 proxy"],
    ["CF-Connecting-IP", "127.0.0.1"],
    ["CF-Ray", "7d2"],
    ["CDN-Loop", "cloudflare"],
    ["Host", "trails.example.org"],
    ["Host", "trails.example.org:8080"],
  ])("not for what a proxy hands on (%s: %s)", async (name, value) => {
    expect(await ask({ [name]: value })).toBe(403);
  });

  test("not for who claims to be an address of it", async () => {
    expect(await ask({ Authorization: "Bearer anything", "X-Forwarded-For": "::1" })).toBe(403);
  });

  test("not for a request without a host", async () => {
    expect((await sendRaw(url(), "GET /metrics HTTP/1.0\r\n\r\n")).status).toBe(403);
  });
});

describe("whether a request comes from this machine", () => {
  test.each([
    ["127.0.0.1", "localhost:8080", true],
    ["127.9.8.7", "127.0.0.1", true],
    ["::1", "[::1]:8080", true],
    ["::ffff:127.0.0.1", "LOCALHOST", true],
    ["192.168.1.20", "localhost", false],
    ["::ffff:192.168.1.20", "localhost", false],
    ["fd00::7", "localhost", false],
    ["", "localhost", false],
    ["127.0.0.1", "localhost.example.org", false],
    ["127.0.0.1", "192.168.1.20:8080", false],
    ["127.0.0.1", "", false],
  ])("peer %s, host %s: %p", (peer, host, expected) => {
    expect(isFromOwnMachine(new Headers({ host, accept: "*/*" }), peer)).toBe(expected);
  });
});

describe("where HTTPS is required", () => {
  const { ask, url } = serving({ allowPlainHttp: false });

  test("programs on the same machine may ask in clear, for metrics alone", async () => {
    expect(await ask()).toBe(200);
    expect((await fetch(`${url()}/api/v1/trips`)).status).toBe(400);
    expect((await fetch(`${url()}/metrics/more`)).status).toBe(400);
  });

  test("others may not", async () => {
    expect(await ask({ "X-Forwarded-For": "192.0.2.7" })).toBe(400);
    expect(await ask({ "X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https" })).toBe(403);
  });
});

describe("with a token, metrics are", () => {
  const { ask } = serving({ metricsToken: token, metricsPath: "/internal/metrics" });
  const at = "/internal/metrics";

  test("for who has it, wherever they are, at the path that was chosen", async () => {
    expect(await ask({ Authorization: `Bearer ${token}`, "X-Forwarded-For": "192.0.2.7" }, at)).toBe(200);
    expect(await ask({ Authorization: `Bearer ${token}` })).toBe(404);
  });

  test("not for others, on this machine or not", async () => {
    expect(await ask({}, at)).toBe(401);
    for (const wrong of [
      "Bearer",
      `Bearer ${token}x`,
      `Bearer ${token.slice(0, -1)}`,
      `Basic ${token}`,
      token,
    ])
      expect([wrong, await ask({ Authorization: wrong }, at)]).toEqual([wrong, 403]);
  });

  test("not for who brings an assertion, where no team is set up", async () => {
    const key = await newTeamKey();
    expect(await ask({ "Cf-Access-Jwt-Assertion": await key.sign() }, at)).toBe(401);
  });
});

describe("with a service token, metrics are", () => {
  const { ask } = serving(pair);
  const shown = (id: string, secret: string) =>
    ask({ "CF-Access-Client-Id": id, "CF-Access-Client-Secret": secret });

  test("for who has both halves", async () => {
    expect(await shown(pair.cloudflareAccessClientId, pair.cloudflareAccessClientSecret)).toBe(200);
  });

  test("not for others", async () => {
    expect(await ask()).toBe(401);
    expect(await ask({ "CF-Access-Client-Id": pair.cloudflareAccessClientId })).toBe(403);
    expect(await ask({ "CF-Access-Client-Secret": pair.cloudflareAccessClientSecret })).toBe(401);
    expect(await shown(pair.cloudflareAccessClientId, "wrong")).toBe(403);
    expect(await shown("wrong", pair.cloudflareAccessClientSecret)).toBe(403);
    expect(await shown("", "")).toBe(403);
  });
});

const key = await newTeamKey();
const keys: KeyServer = startKeyServer([key.publicJwk]);
afterAll(() => keys.stop());

describe("with a team, metrics are", () => {
  const config = { cloudflareAccessTeamDomain: team, cloudflareAccessAud: audience, metricsToken: token };
  const { ask } = serving(config, { accessNetwork: { certsUrl: keys.url } });

  test("for whom Access has let in, and for who has the token", async () => {
    expect(await ask({ "Cf-Access-Jwt-Assertion": await key.sign() })).toBe(200);
    expect(await ask({ Authorization: `Bearer ${token}` })).toBe(200);
  });

  test("not for others", async () => {
    expect(await ask()).toBe(401);
    expect(await ask({ "Cf-Access-Jwt-Assertion": await key.sign({ audience: "another" }) })).toBe(403);
  });
});
