import { afterAll, beforeAll, expect, test } from "bun:test";
import { startTestServer, type TestServer } from "../support/test-server.ts";
import { goodPassword, login, type Person, refresh, register, sendLogin, statusOf } from "./people.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.stop());

const next = "another good one";
const change = (who: Person, body: Record<string, unknown>) =>
  server.request("PUT", "/user/password", { token: who.accessToken, deviceId: who.deviceId, body });

test("changes it, keeps the caller's session and ends all others", async () => {
  const person = await register(server);
  const elsewhere = await login(server, person);
  expect((await change(person, { currentPassword: goodPassword, newPassword: next })).status).toBe(204);
  expect(await statusOf(server, person)).toBe(200);
  expect((await refresh(server, person.refreshToken, person.deviceId)).status).toBe(200);
  expect(await statusOf(server, elsewhere)).toBe(401);
  expect((await refresh(server, elsewhere.refreshToken, elsewhere.deviceId)).status).toBe(401);
  expect((await sendLogin(server, person)).status).toBe(401);
  expect((await sendLogin(server, { ...person, password: next })).status).toBe(200);
});

test("a wrong present password is 403, since a phone would take 401 for an expired token", async () => {
  const person = await register(server);
  const elsewhere = await login(server, person);
  const answer = await change(person, { currentPassword: "wrong password", newPassword: next });
  expect(answer.status).toBe(403);
  expect(answer.json.details).toEqual({ currentPassword: "is wrong" });
  expect((await sendLogin(server, person)).status).toBe(200);
  expect(await statusOf(server, elsewhere)).toBe(200);
});

test("holds the new one to the rules", async () => {
  const person = await register(server);
  for (const newPassword of ["short", "password1", person.email, null]) {
    const answer = await change(person, { currentPassword: goodPassword, newPassword });
    expect(answer.status).toBe(400);
    expect(Object.keys(answer.json.details)).toEqual(["newPassword"]);
  }
  expect((await sendLogin(server, person)).status).toBe(200);
});

test("of two changes at once that both know the present password, one wins", async () => {
  const person = await register(server);
  const passwords = ["first of two", "second of two"];
  const answers = await Promise.all(
    passwords.map((newPassword) => change(person, { currentPassword: goodPassword, newPassword })),
  );
  expect(answers.map(({ status }) => status).sort()).toEqual([204, 403]);
  const logins = await Promise.all(passwords.map((password) => sendLogin(server, { ...person, password })));
  expect(logins.map(({ status }) => status)).toEqual(
    answers.map(({ status }) => (status === 204 ? 200 : 401)),
  );
});

test("needs a token before it reads the body", async () => {
  expect((await server.request("PUT", "/user/password", { body: "{" })).status).toBe(401);
});
