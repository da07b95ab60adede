import { afterEach, describe, expect, test } from "bun:test";
import { createHmac } from "node:crypto";
import { Elysia } from "elysia";
import { Access, type AccessConfig } from "../../src/access/access.ts";
import { type AccessNetwork, certsUrlOf, fetchTeamKeys } from "../../src/access/team-keys.ts";
import { errorResponse, toAppError } from "../../src/http/error-response.ts";
import { letInByAccess } from "../../src/http/guards.ts";
import { createLog } from "../../src/log.ts";
import { until } from "../support/until.ts";
import { audience, type KeyServer, newTeamKey, startKeyServer, type TeamKey, team } from "./team.ts";

const guarded: AccessConfig = {
  cloudflareAccessTeamDomain: team,
  cloudflareAccessAud: audience,
  cloudflareAccessClientId: undefined,
  cloudflareAccessClientSecret: undefined,
  metricsToken: undefined,
};

const key: TeamKey = await newTeamKey();
const other: TeamKey = await newTeamKey("ES256");
const servers: KeyServer[] = [];
const lines: string[] = [];
const log = createLog({ level: "trace", format: "json", destination: { write: (line) => lines.push(line) } });

afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
  const written = lines.splice(0).join("");
  expect(written).not.toMatch(/eyJ|ada@example/);
});

/** A page that Access guards, and the server that its keys come from. */
function open(config: AccessConfig = guarded, network: AccessNetwork = {}, keys = [key.publicJwk]) {
  const server = startKeyServer(keys);
  servers.push(server);
  const access = new Access(config, log, { certsUrl: server.url, ...network });
  const app = new Elysia()
    .onError(({ error }) => errorResponse(toAppError(error), "r1"))
    .use(letInByAccess({ access }))
    .get("/docs", () => "the description");
  const ask = async (assertion?: string) => {
    const headers = new Headers(assertion === undefined ? {} : { "Cf-Access-Jwt-Assertion": assertion });
    const answer = await app.handle(new Request("http://localhost/docs", { headers }));
    if (answer.status !== 200) expect(await answer.json()).toMatchObject({ requestId: "r1", details: null });
    return answer.status;
  };
  return { server, ask };
}

const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
const claims = { iss: `https://${team}`, aud: [audience], exp: Math.floor(Date.now() / 1000) + 600 };

describe("the description of the API", () => {
  test("is for all where no team is set up, and nobody is asked for keys", async () => {
    const { ask, server } = open({ ...guarded, cloudflareAccessTeamDomain: undefined });
    expect([await ask(), await ask("nonsense"), server.asked]).toEqual([200, 200, 0]);
  });

  test("is for whom Access has let in", async () => {
    const { ask } = open(guarded, {}, [key.publicJwk, other.publicJwk]);
    expect([await ask(await key.sign()), await ask(await other.sign())]).toEqual([200, 200]);
  });

  test("is not for whoever shows nothing", async () => {
    const { ask, server } = open();
    expect([await ask(), server.asked]).toEqual([401, 0]);
  });

  test.each([
    ["of another team", () => key.sign({ issuer: "https://others.cloudflareaccess.com" })],
    ["of the team over plain HTTP", () => key.sign({ issuer: `http://${team}` })],
    ["for another application", () => key.sign({ audience: "another" })],
    ["that is over", () => key.sign({ expires: -60 })],
    ["that never ends", () => key.sign({ expires: null })],
    ["that has not begun", () => key.sign({ notBefore: 90 })],
    ["of another's key", () => other.sign()],
    ["without a signature", async () => `${encode({ alg: "none", kid: key.kid })}.${encode(claims)}.`],
    ["with another's signature", async () => `${(await key.sign()).slice(0, -40)}${"A".repeat(40)}`],
    ["that is none", async () => "nonsense"],
    ["that is empty", async () => "a.b.c"],
  ])("is not for an assertion %s", async (_what, make) => {
    const { ask } = open();
    expect(await ask(await make())).toBe(403);
    expect(await ask(await key.sign())).toBe(200);
  });

  test("is not for who signs with the public key as if it were a secret", async () => {
    const { ask } = open();
    const body = `${encode({ alg: "HS256", kid: key.kid })}.${encode(claims)}`;
    for (const secret of [JSON.stringify(key.publicJwk), key.publicJwk.n ?? ""]) {
      const signature = createHmac("sha256", secret).update(body).digest("base64url");
      expect(await ask(`${body}.${signature}`)).toBe(403);
    }
  });

  test("clocks may differ a little", async () => {
    const { ask } = open();
    expect([
      await ask(await key.sign({ expires: -10 })),
      await ask(await key.sign({ notBefore: 10 })),
    ]).toEqual([200, 200]);
  });
});

describe("keys", () => {
  test("are fetched once for many who ask at once, and kept", async () => {
    const { ask, server } = open();
    const assertion = await key.sign();
    expect(await Promise.all(Array.from({ length: 20 }, () => ask(assertion)))).toEqual(Array(20).fill(200));
    expect([await ask(assertion), server.asked]).toEqual([200, 1]);
  });

  test("change: a new one is found, an old one counts no longer", async () => {
    const { ask, server } = open(guarded, { pause: 0 });
    expect(await ask(await key.sign())).toBe(200);
    server.answer = [other.publicJwk];
    expect([await ask(await other.sign()), await ask(await key.sign())]).toEqual([200, 403]);
  });

  test("with made-up names are not looked for again and again", async () => {
    const { ask, server } = open();
    expect(await ask(await key.sign())).toBe(200);
    const strangers = await Promise.all(Array.from({ length: 8 }, () => newTeamKey("ES256")));
    for (const stranger of strangers) expect(await ask(await stranger.sign())).toBe(403);
    expect(server.asked).toBe(1);
    expect(await ask(await key.sign())).toBe(200);
  });
});

describe("while the keys cannot be fetched, nobody is let in", () => {
  test.each([
    ["an error", () => new Response("busy", { status: 503 })],
    [
      "a login page",
      () => new Response("<html>Sign in</html>", { headers: { "Content-Type": "text/html" } }),
    ],
    ["a way to a login page", () => new Response(null, { status: 302, headers: { Location: "/login" } })],
    ["other JSON", () => Response.json({ public_cert: "x" })],
    ["silence", "silence" as const],
  ])("%s, and all is well afterwards by itself", async (_what, make) => {
    const { ask, server } = open(guarded, { patience: 100, pauseAfterFailure: 50 });
    const assertion = await key.sign();
    server.answer = make;
    expect(await ask(assertion)).toBe(403);
    expect(lines.filter((line) => line.includes("cannot be fetched"))).toHaveLength(1);
    server.answer = [key.publicJwk];
    await until(async () => (await ask(assertion)) === 200);
  });

  test("a server that is not there", async () => {
    const { ask, server } = open();
    await server.stop();
    expect(await ask(await key.sign())).toBe(403);
  });

  test("a server that is away is left in peace for a while", async () => {
    const { ask, server } = open(guarded, { pauseAfterFailure: 600_000 });
    const assertion = await key.sign();
    server.answer = () => new Response(null, { status: 500 });
    for (let round = 0; round < 10; round++) expect(await ask(assertion)).toBe(403);
    expect([server.asked, lines.length]).toEqual([1, 1]);
  });

  test("keys that are there already stay good", async () => {
    const { ask, server } = open();
    expect(await ask(await key.sign())).toBe(200);
    server.answer = () => new Response(null, { status: 500 });
    expect(await ask(await key.sign())).toBe(200);
  });
});

describe("where the keys are", () => {
  test("is the team's own address", () => {
    expect(certsUrlOf(team)).toBe("https://family.cloudflareaccess.com/cdn-cgi/access/certs");
  });

  test("why they cannot be fetched is said in our words", async () => {
    const { server } = open();
    server.answer = () => new Response("<html>", { status: 200 });
    await expect(fetchTeamKeys(server.url)).rejects.toThrow("the answer was no list of keys");
    server.answer = () => new Response("", { status: 404 });
    await expect(fetchTeamKeys(server.url)).rejects.toThrow("the answer was 404");
    server.answer = [key.publicJwk];
    expect(JSON.parse(await fetchTeamKeys(server.url)).keys).toEqual([key.publicJwk]);
  });
});
