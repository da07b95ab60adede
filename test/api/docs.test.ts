import { afterAll, describe, expect, test } from "bun:test";
import { audience, newTeamKey, startKeyServer, team } from "../access/team.ts";
import { startTestServer } from "../support/test-server.ts";

const server = await startTestServer();
const elsewhere = await startTestServer({ publicUrl: "https://trails.example.org/behind/" });
afterAll(async () => {
  await server.stop();
  await elsewhere.stop();
});

const get = (path: string, headers: Record<string, string> = {}, url = server.url) =>
  fetch(url + path, { headers, redirect: "manual" });

describe("/openapi.json", () => {
  test("is the same with the base path and without", async () => {
    const [plain, based] = await Promise.all([get("/openapi.json"), get("/api/v1/openapi.json")]);
    expect([plain.status, based.status]).toEqual([200, 200]);
    expect(plain.headers.get("content-type")).toBe("application/json; charset=utf-8");
    expect(await based.text()).toBe(await plain.text());
  });

  test("is sent once to who keeps it", async () => {
    const first = await get("/openapi.json");
    const etag = first.headers.get("etag") ?? "";
    expect(first.headers.get("cache-control")).toBe("private, no-cache");
    const again = await get("/openapi.json", { "If-None-Match": `"other", W/${etag}` });
    expect([again.status, await again.text(), again.headers.get("etag")]).toEqual([304, "", etag]);
    expect((await get("/openapi.json", { "If-None-Match": '"other"' })).status).toBe(200);
  });

  test("leads to the public address, or to where it came from", async () => {
    const own = (await (await get("/openapi.json")).json()) as { servers: object[] };
    const other = (await (await get("/openapi.json", {}, elsewhere.url)).json()) as { servers: object[] };
    expect(own.servers).toEqual([{ url: "/" }]);
    expect(other.servers).toEqual([{ url: "https://trails.example.org/behind" }]);
  });

  test("needs no headers, and is not written to", async () => {
    expect((await fetch(`${server.url}/openapi.json`, { method: "POST" })).status).toBe(405);
    expect((await fetch(`${server.url}/openapi.json`, { method: "HEAD" })).status).toBe(200);
  });
});

describe("/docs", () => {
  test("lets its page load from this server and nowhere else", async () => {
    const answer = await get("/docs");
    expect(answer.headers.get("content-type")).toBe("text/html; charset=utf-8");
    const policy = answer.headers.get("content-security-policy") ?? "";
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/unsafe|https?:|\*/);
    expect(await answer.text()).not.toMatch(/https?:|\/\/|<style|<script>|style=|onload/);
  });

  test("has all that its page names", async () => {
    const page = await (await get("/docs")).text();
    const named = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, found = ""]) => found);
    const files = named.filter((name) => !name.startsWith("data:"));
    expect(files).toContain("docs/swagger-ui-bundle.js");
    for (const file of files) {
      const answer = await get(new URL(file, "http://server/docs").pathname);
      expect([file, answer.status]).toEqual([file, 200]);
      expect(answer.headers.get("etag")).toMatch(/^"[\w.-]+"$/);
      const kind = file.endsWith(".js")
        ? "text/javascript"
        : file.endsWith(".css")
          ? "text/css"
          : "application/json";
      expect(answer.headers.get("content-type")).toBe(`${kind}; charset=utf-8`);
      expect((await answer.bytes()).byteLength).toBeGreaterThan(100);
    }
  });

  test("asks for the description beside it, and for no validator", async () => {
    const start = await (await get("/docs/start.js")).text();
    expect(start).toContain('new URL("openapi.json", document.baseURI)');
    expect(start).toContain("validatorUrl: null");
    expect(start).not.toMatch(/https?:/);
  });

  test("goes to its address without a slash, where its relative addresses lead to something", async () => {
    const answer = await get("/docs/");
    expect([answer.status, answer.headers.get("location")]).toEqual([308, "../docs"]);
  });

  test.each(["nothing.js", "..%2fpackage.json", "package.json"])("has no file %s", async (name) => {
    const answer = await get(`/docs/${name}`);
    expect([answer.status, ((await answer.json()) as { error: string }).error]).toEqual([404, "NOT_FOUND"]);
  });
});

describe("where Cloudflare Access is set up", () => {
  const paths = ["/openapi.json", "/api/v1/openapi.json", "/docs", "/docs/start.js", "/docs/nothing"];

  test("all of it is for whom that has let in", async () => {
    const key = await newTeamKey();
    const keys = startKeyServer([key.publicJwk]);
    const config = { cloudflareAccessTeamDomain: team, cloudflareAccessAud: audience };
    const guarded = await startTestServer(config, { accessNetwork: { certsUrl: keys.url } });
    try {
      const assertion = { "Cf-Access-Jwt-Assertion": await key.sign() };
      const asked = (headers: Record<string, string>) =>
        Promise.all(paths.map(async (path) => (await get(path, headers, guarded.url)).status));
      expect(await asked({})).toEqual([401, 401, 401, 401, 401]);
      expect(await asked({ "Cf-Access-Jwt-Assertion": "nonsense" })).toEqual([403, 403, 403, 403, 403]);
      expect(await asked(assertion)).toEqual([200, 200, 200, 200, 404]);
      expect((await get("/health/live", {}, guarded.url)).status).toBe(200);
    } finally {
      await guarded.stop();
      await keys.stop();
    }
  });
});
