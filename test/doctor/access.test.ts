import { afterAll, expect, test } from "bun:test";
import { checkAccess } from "../../src/doctor/access.ts";
import { newTeamKey, startKeyServer, team } from "../access/team.ts";
import { partsWithout } from "./patient.ts";

const keys = startKeyServer([(await newTeamKey("ES256")).publicJwk]);
afterAll(() => keys.stop());

const look = checkAccess((asked) => {
  expect(asked).toBe(team);
  return keys.url;
});
const parts = partsWithout({ cloudflareAccessTeamDomain: team });

test("Cloudflare Access that is not set up is not asked", async () => {
  expect(await checkAccess(() => "http://127.0.0.1:1")(partsWithout())).toMatchObject({ status: "skip" });
});

test("keys that can be fetched are counted", async () => {
  expect(await look(parts)).toEqual({ status: "ok", detail: `${team} can be asked (1 keys)`, mend: null });
});

test("a login page in their place is found", async () => {
  keys.answer = () => new Response("<html>", { headers: { "Content-Type": "text/html" } });
  const found = await look(parts);
  expect(found).toMatchObject({
    status: "fail",
    mend: expect.stringContaining("CLOUDFLARE_ACCESS_TEAM_DOMAIN"),
  });
  expect(found.detail).toBe(`the keys of ${team} cannot be fetched: the answer was no list of keys`);
});
