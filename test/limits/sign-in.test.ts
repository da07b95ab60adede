import { afterAll, beforeEach, expect, test } from "bun:test";
import type { OutgoingMail } from "../../src/email/outgoing-mail.ts";
import { deviceInfo, instantHasher, type Person, register } from "../accounts/people.ts";
import { expectError } from "../http/error-shape.ts";
import { type Answer, startTestServer, type TestServer } from "../support/test-server.ts";
import { limitedServer, perHour } from "./limited-server.ts";

let hashed = 0;
const hasher = {
  ...instantHasher,
  verify(password: string, hash: string) {
    hashed++;
    return instantHasher.verify(password, hash);
  },
};
const mails: OutgoingMail[] = [];
const base = await startTestServer({}, { hasher, mailer: { send: async (mail) => void mails.push(mail) } });
let server: TestServer;
beforeEach(async () => {
  await server?.stop();
  server = limitedServer(base, { rateLimitAuth: perHour(1000) });
});
afterAll(async () => {
  await server.stop();
  await base.stop();
});

const from = (address: string) => ({ "X-Forwarded-For": address });

function signIn(
  email: string,
  password: string,
  address: string,
  deviceId: string = crypto.randomUUID(),
): Promise<Answer> {
  const body = { email, password, deviceInfo: deviceInfo(deviceId) };
  return server.request("POST", "/auth/login", { body, deviceId, headers: from(address) });
}

/** Guesses from an address each. */
async function attack(email: string): Promise<Answer[]> {
  const answers: Answer[] = [];
  for (let guess = 0; guess < 20; guess++) answers.push(await signIn(email, "a guess", `203.0.113.${guess}`));
  return answers;
}

test("of guesses at one account from everywhere, the first few cost a hash", async () => {
  const ada = await register(server);
  hashed = 0;
  const answers = await attack(ada.email);
  expect(answers.map(({ status }) => status)).toEqual([...Array(10).fill(401), ...Array(10).fill(429)]);
  expect(hashed).toBe(10);
  const refused = answers.at(-1) as Answer;
  expectError(refused, "RATE_LIMIT_EXCEEDED");
  expect(refused.headers.get("retry-after")).toBe("15");
  expect(refused.headers.get("x-ratelimit-limit")).toBe("1");
  expect(refused.headers.get("x-ratelimit-remaining")).toBe("0");
});

test("an email without an account is answered the same", async () => {
  const ada = await register(server);
  const told = (answers: Answer[]) =>
    answers.map(({ status, headers, json: { timestamp, requestId, ...body } }) => ({
      status,
      body,
      headers: [...headers].filter(([name]) => !/date|request-id|reset$|remaining$/.test(name)).sort(),
    }));
  const [known, unknown] = [await attack(ada.email), await attack("nobody@example.org")];
  expect(told(unknown)).toEqual(told(known));
});

test("the owner signs in meanwhile: on their device, and on a new one where they are at home", async () => {
  const ada = await register(server);
  await attack(ada.email);
  expect((await signIn(ada.email, ada.password, "192.0.2.1")).status).toBe(429);
  const own = await signIn(ada.email, ada.password, "192.0.2.1", ada.deviceId);
  expect(own.status).toBe(200);
  // The device syncs from here, and so its owner lives here.
  const token = own.json.accessToken;
  await server.request("GET", "/trips", { token, deviceId: ada.deviceId, headers: from("2001:db8:1:2::1") });
  expect((await signIn(ada.email, ada.password, "2001:db8:1:2::99")).status).toBe(200);
  // It was refused as any stranger, and stays where it was.
  expect((await signIn(ada.email, ada.password, "192.0.2.1")).status).toBe(429);
});

test("a token that is merely presented makes nobody at home", async () => {
  const ada = await register(server);
  const refresh = () =>
    server.request("POST", "/auth/refresh", {
      deviceId: ada.deviceId,
      body: { refreshToken: ada.refreshToken },
      headers: from("192.0.2.66"),
    });
  await refresh();
  await attack(ada.email);
  expect((await signIn(ada.email, ada.password, "192.0.2.66")).status).toBe(429);
});

const ask = (email: string) => server.request("POST", "/auth/reset-password-request", { body: { email } });
async function tokenFor({ email, userId }: Person): Promise<string> {
  await ask(email);
  await base.context.passwordReset.settle();
  await base.context.worker.runDue();
  const mail = mails.findLast(({ accountId }) => accountId === userId);
  return mail?.handOn && "code" in mail.handOn ? mail.handOn.code : "";
}

/** Fills the form of the page that a mail leads to. */
const fillForm = (token: string, newPassword: string, address: string) =>
  fetch(`${server.url}/reset-password`, {
    method: "POST",
    headers: from(address),
    body: new URLSearchParams({ token, newPassword, repeated: newPassword }),
  });

test.each(["the app", "the page"])(
  "whoever reads the account's mail signs in at once where they chose another password, by %s",
  async (way) => {
    const ada = await register(server);
    await attack(ada.email);
    const token = await tokenFor(ada);
    const next = "another good one";
    const body = { token, newPassword: next };
    if (way === "the page") await fillForm(token, next, "192.0.2.5");
    else await server.request("POST", "/auth/reset-password", { body, headers: from("192.0.2.5") });
    expect((await signIn(ada.email, next, "192.0.2.5")).status).toBe(200);
    expect((await signIn(ada.email, next, "192.0.2.6")).status).toBe(429);
  },
);

test("forms are counted like whoever signs in, and say so in words", async () => {
  await server.stop();
  server = limitedServer(base, { rateLimitAuth: perHour(2) });
  const answers: Response[] = [];
  for (let time = 0; time < 3; time++)
    answers.push(await fillForm("nonsense", "another good one", "192.0.2.9"));
  expect(answers.map(({ status }) => status)).toEqual([400, 400, 429]);
  const refused = answers[2] as Response;
  expect(refused.headers.get("content-type")).toBe("text/html; charset=utf-8");
  expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
  expect(refused.headers.get("x-ratelimit-remaining")).toBe("0");
  expect(await refused.text()).toContain("Not so fast");
});

test("nothing of who signs in is in the log", async () => {
  const ada = await register(server);
  base.logs.length = 0;
  await attack(ada.email);
  expect(base.logs.length).toBeGreaterThan(10);
  expect(JSON.stringify(base.logs)).not.toMatch(/203\.0\.113|example\.org/);
});
