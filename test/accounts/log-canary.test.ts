import { afterAll, beforeAll, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { startTestServer, type TestServer } from "../support/test-server.ts";
import { deviceInfo, login, refresh, sendLogin, sendRegister, statusOf } from "./people.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ publicUrl: "https://trails.example.org" });
});
afterAll(() => server.stop());

const email = "canary-address@example.org";
const password = "canary password one";
const changed = "canary password two";
const deviceId = "99999999-aaaa-4bbb-8ccc-dddddddddddd";

/** Walks through every call that carries a secret, right and wrong, and returns the secrets it was given. */
async function useEverything(): Promise<string[]> {
  const person = (await sendRegister(server, { email, password, deviceId, displayName: "Canary Name" })).json;
  await sendRegister(server, { email, password, deviceId });
  await sendRegister(server, { email: `${email} bad`, password: "canary", deviceId });
  await sendLogin(server, { email, password: changed });
  const other = await login(server, { email, password });
  await sendLogin(server, { email: `x-${email}`, password });
  const second = (await refresh(server, person.refreshToken, deviceId)).json;
  const third = (await refresh(server, second.refreshToken, deviceId)).json;
  await refresh(server, person.refreshToken, deviceId);
  await statusOf(server, { ...third, deviceId });
  const token = other.accessToken;
  const body = { currentPassword: password, newPassword: changed };
  await server.request("PUT", "/user/password", { token, deviceId: other.deviceId, body });
  await server.request("PUT", "/user/password", { token, deviceId: other.deviceId, body });
  await server.request("POST", "/auth/reset-password", {
    body: { token: "canary-token", newPassword: password },
  });
  return [person, second, third, other].flatMap((pair) => [pair.accessToken, pair.refreshToken]);
}

/** Makes the database fail on statements that have secrets among their parameters. */
async function failEverywhere(): Promise<void> {
  const { db } = server.context;
  await db.execute(sql`ALTER TABLE users RENAME TO users_away`);
  expect((await sendLogin(server, { email, password })).status).toBe(500);
  await server.request("POST", "/auth/reset-password-request", { body: { email } });
  await server.context.passwordReset.settle();
  await db.execute(sql`ALTER TABLE users_away RENAME TO users`);
  await db.execute(sql`ALTER TABLE user_credentials RENAME TO credentials_away`);
  expect((await sendRegister(server, { email: `y-${email}`, password })).status).toBe(500);
  await db.execute(sql`ALTER TABLE credentials_away RENAME TO user_credentials`);
  const body = { email: "z\u0000canary-address", password, deviceInfo: deviceInfo(deviceId) };
  await server.request("POST", "/auth/login", { deviceId, body });
}

test("no password, token, email or name reaches the log, whatever goes wrong", async () => {
  const secrets = [...(await useEverything()), "canary-token"];
  await failEverywhere();
  const written = JSON.stringify(server.logs);
  expect(server.logs.length).toBeGreaterThan(15);
  expect(server.logs.filter(({ level }) => level === "error").length).toBeGreaterThanOrEqual(3);
  for (const secret of [...secrets, "canary-address", "canary password", "Canary Name", "$argon2id"]) {
    expect(written).not.toContain(secret);
  }
});

test("a failure says nothing of itself to the client", async () => {
  const { db } = server.context;
  await db.execute(sql`ALTER TABLE users RENAME TO users_away`);
  const answer = await sendLogin(server, { email, password });
  await db.execute(sql`ALTER TABLE users_away RENAME TO users`);
  expect(answer.status).toBe(500);
  expect(answer.text).not.toMatch(/users|select|relation|canary/i);
});

test("the one secret in the log is the reset link, in one line of its own", async () => {
  const before = server.logs.length;
  await server.request("POST", "/auth/reset-password-request", { body: { email } });
  await server.context.passwordReset.settle();
  await server.context.worker.runDue();
  const lines = server.logs
    .slice(before)
    .filter((line) => JSON.stringify(line).includes("reset-password?token="));
  expect(lines).toHaveLength(1);
  expect(lines[0]?.link).toStartWith("https://trails.example.org/reset-password?token=");
  expect(JSON.stringify(lines)).not.toContain("canary");
});
