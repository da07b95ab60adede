import { afterAll, beforeAll, expect, test } from "bun:test";
import { startTestServer, type TestServer } from "../support/test-server.ts";
import { type Person, register } from "./people.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.stop());

const as = (who: Person) => ({ token: who.accessToken, deviceId: who.deviceId });
const read = async (who: Person) => (await server.request("GET", "/user/profile", as(who))).json;
const put = (who: Person, body: unknown) => server.request("PUT", "/user/profile", { ...as(who), body });
const instant = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

test("shows exactly what the contract names, and the same creation as at registration", async () => {
  const person = await register(server);
  expect(await read(person)).toEqual({
    userId: person.userId,
    email: person.email,
    displayName: "Ada",
    profilePhotoUrl: null,
    createdAt: (person as unknown as { createdAt: string }).createdAt,
    statistics: {
      totalLocations: 0,
      totalPlaceVisits: 0,
      totalTrips: 0,
      totalPhotos: 0,
      countriesVisited: 0,
      totalDistance: 0,
    },
  });
});

test("changes the name of this account only", async () => {
  const person = await register(server);
  const neighbour = await register(server);
  const answer = await put(person, { displayName: " Grace ", profilePhoto: null });
  expect(answer.status).toBe(200);
  expect(answer.json).toEqual({
    userId: person.userId,
    profilePhotoUrl: null,
    updatedAt: expect.stringMatching(instant),
  });
  expect((await read(person)).displayName).toBe("Grace");
  expect((await read(neighbour)).displayName).toBe("Ada");
});

test("null and nothing leave the name, and the time of its change, as they are", async () => {
  const person = await register(server);
  const { json } = await put(person, { displayName: "Grace" });
  for (const body of [{}, { displayName: null }, undefined]) {
    const answer = await put(person, body);
    expect(answer.json.updatedAt).toBe(json.updatedAt);
  }
  expect((await read(person)).displayName).toBe("Grace");
});

test.each([
  [{ displayName: "" }, { displayName: "must have 1 to 100 characters" }],
  [{ displayName: "a\u0000b" }, { displayName: "must not contain the character U+0000" }],
  [{ profilePhoto: "aGk=" }, { profilePhoto: "must be a JPEG, PNG, WebP, HEIC, HEIF, AVIF or GIF picture" }],
  [{ profilePhoto: "?" }, { profilePhoto: "must be base64" }],
])("refuses %p", async (body, details) => {
  const person = await register(server);
  const answer = await put(person, body);
  expect(answer.status).toBe(400);
  expect(answer.json.details).toEqual(details);
});
