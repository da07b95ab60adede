import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { PasswordReset } from "../../src/accounts/password-reset.ts";
import { Passwords } from "../../src/accounts/passwords.ts";
import { composeMail } from "../../src/email/compose-mail.ts";
import { LogMailer } from "../../src/email/log-mailer.ts";
import type { OutgoingMail } from "../../src/email/outgoing-mail.ts";
import { holdTransaction, untilWaiting } from "../support/held-transaction.ts";
import { type LogLine, startTestServer, type TestServer } from "../support/test-server.ts";
import { instantHasher, login, type Person, register, sendLogin, statusOf } from "./people.ts";

const mails: OutgoingMail[] = [];
let server: TestServer;
beforeAll(async () => {
  const send = async (mail: OutgoingMail) => {
    if (mail.template === "password-reset") mails.push(mail);
  };
  server = await startTestServer({}, { mailer: { send } });
});
afterAll(() => server.stop());
beforeEach(() => {
  mails.length = 0;
});

const next = "another good one";
const ask = (email: unknown) => server.request("POST", "/auth/reset-password-request", { body: { email } });
const reset = (token: unknown, newPassword: unknown = next) =>
  server.request("POST", "/auth/reset-password", { body: { token, newPassword } });

/** Sends what was asked for. */
async function deliver(): Promise<void> {
  await server.context.passwordReset.settle();
  await server.context.worker.runDue();
}

const tokenIn = (mail: OutgoingMail | undefined) =>
  mail?.handOn && "code" in mail.handOn ? mail.handOn.code : "";

async function tokenFor(person: Person): Promise<string> {
  await ask(person.email);
  await deliver();
  return tokenIn(mails.findLast(({ accountId }) => accountId === person.userId));
}

test("sets the password, ends every session, and works once", async () => {
  const person = await register(server);
  const elsewhere = await login(server, person);
  const token = await tokenFor(person);
  expect(Buffer.from(token, "base64url")).toHaveLength(32);
  expect((await reset(token)).status).toBe(204);
  expect(await statusOf(server, person)).toBe(401);
  expect(await statusOf(server, elsewhere)).toBe(401);
  expect((await sendLogin(server, person)).status).toBe(401);
  expect((await sendLogin(server, { ...person, password: next })).status).toBe(200);
  const again = await reset(token, "yet another one");
  expect(again.status).toBe(400);
  expect(again.json).toMatchObject({ error: "VALIDATION_ERROR", details: { token: expect.any(String) } });
});

test("asks and answers are the same for everybody, and only accounts get mail", async () => {
  const person = await register(server);
  const disabled = await register(server);
  await server.context.accounts.setDisabled(disabled.userId, true);
  const emails = [` ${person.email.toUpperCase()}`, "nobody@example.org", "nonsense", disabled.email];
  const answers = [];
  for (const email of emails) answers.push(await ask(email));
  for (const { status, text, headers } of answers) {
    expect([status, text]).toEqual([202, ""]);
    expect([...headers.keys()].sort()).toEqual([...(answers[0]?.headers.keys() ?? [])].sort());
  }
  await deliver();
  expect(mails.map(({ accountId, to }) => [accountId, to])).toEqual([[person.userId, person.email]]);
});

test("the answer does not wait for the work", async () => {
  const person = await register(server);
  await server.context.db.transaction(async (tx) => {
    await tx.execute(sql`SELECT 1 FROM users WHERE id = ${person.userId} FOR UPDATE`);
    expect((await ask(person.email)).status).toBe(202);
    expect(mails).toEqual([]);
  });
  await deliver();
  expect(mails).toHaveLength(1);
});

test("is stored hashed, for thirty minutes", async () => {
  const person = await register(server);
  const token = await tokenFor(person);
  const rows = await server.context.db.execute(sql`
    SELECT encode(token_hash, 'hex') AS hash, round(extract(epoch FROM expires_at - now()) / 60)::int AS minutes
    FROM password_reset_tokens WHERE user_id = ${person.userId}`);
  expect([...rows]).toEqual([
    { hash: new Bun.CryptoHasher("sha256").update(token).digest("hex"), minutes: 30 },
  ]);
});

test("is worth nothing after its time", async () => {
  const person = await register(server);
  const token = await tokenFor(person);
  await server.context.db.execute(sql`
    UPDATE password_reset_tokens SET expires_at = now() WHERE user_id = ${person.userId}`);
  expect((await reset(token)).status).toBe(400);
  expect((await sendLogin(server, person)).status).toBe(200);
});

test("a new one voids the old one, also when both were asked for at once", async () => {
  const person = await register(server);
  const old = await tokenFor(person);
  mails.length = 0;
  await Promise.all(Array.from({ length: 5 }, () => ask(person.email)));
  await deliver();
  expect((await reset(old)).status).toBe(400);
  // Those that were voided before they were sent are not sent any more.
  expect(mails).toHaveLength(1);
  const [row] = await server.context.db.execute<{ good: number }>(sql`
    SELECT count(*) AS good FROM password_reset_tokens WHERE user_id = ${person.userId} AND used_at IS NULL`);
  expect(row?.good).toBe(1);
});

test("three are sent in the life of one, and nobody hears of it; the last one is good", async () => {
  const person = await register(server);
  const answers = [];
  for (let time = 0; time < 6; time++) {
    answers.push(await ask(person.email));
    await deliver();
  }
  expect(answers.map(({ status, text }) => [status, text])).toEqual(Array(6).fill([202, ""]));
  expect(mails).toHaveLength(3);
  expect((await reset(tokenIn(mails[2]))).status).toBe(204);
});

test("more are sent once the earliest is past its time, and whenever there is no good one in the mailbox", async () => {
  const person = await register(server);
  const count = async () => {
    for (let time = 0; time < 3; time++) await tokenFor(person);
    return mails.length;
  };
  expect(await count()).toBe(3);
  await server.context.db.execute(sql`
    UPDATE password_reset_tokens SET created_at = created_at - interval '29 minutes', expires_at = expires_at - interval '29 minutes'
    WHERE user_id = ${person.userId}`);
  expect(await count()).toBe(3);
  await server.context.db.execute(sql`
    UPDATE password_reset_tokens SET created_at = created_at - interval '2 minutes', expires_at = expires_at - interval '2 minutes'
    WHERE user_id = ${person.userId}`);
  expect(await count()).toBe(6);
  expect((await reset(tokenIn(mails[5]))).status).toBe(204);
  expect(await count()).toBe(7);
});

test("a change of the password, or shutting the account, voids it", async () => {
  const changed = await register(server);
  const first = await tokenFor(changed);
  const body = { currentPassword: changed.password, newPassword: next };
  await server.request("PUT", "/user/password", {
    token: changed.accessToken,
    deviceId: changed.deviceId,
    body,
  });
  expect((await reset(first)).status).toBe(400);
  const shut = await register(server);
  const second = await tokenFor(shut);
  await server.context.accounts.setDisabled(shut.userId, true);
  expect((await reset(second)).status).toBe(400);
  await server.context.accounts.setDisabled(shut.userId, false);
  expect((await reset(second)).status).toBe(400);
});

test("does not open a disabled account, however it was disabled", async () => {
  const person = await register(server);
  const token = await tokenFor(person);
  await server.context.db.execute(sql`UPDATE users SET disabled_at = now() WHERE id = ${person.userId}`);
  expect((await reset(token)).status).toBe(400);
});

test("holds the new password to the rules, and keeps the token for the next try", async () => {
  const person = await register(server);
  const token = await tokenFor(person);
  for (const wrong of ["short", "password1", person.email]) {
    const answer = await reset(token, wrong);
    expect(answer.status).toBe(400);
    expect(Object.keys(answer.json.details)).toEqual(["newPassword"]);
  }
  expect((await reset(token)).status).toBe(204);
});

test.each(["", null, "nonsense", "a\u0000b", "x".repeat(500)])(
  "the token %p is a bad request",
  async (token) => {
    const answer = await reset(token);
    expect(answer.status).toBe(400);
    expect(Object.keys(answer.json.details)).toEqual(["token"]);
  },
);

describe("by itself", () => {
  const parts = () => {
    const { db, log } = server.context;
    return { db, log, passwords: new Passwords(instantHasher) };
  };

  test("of ten uses of one token at once, one succeeds", async () => {
    const single = new PasswordReset(parts());
    for (let round = 0; round < 5; round++) {
      const token = await tokenFor(await register(server));
      const uses = await Promise.allSettled(Array.from({ length: 10 }, () => single.reset(token, next)));
      expect(uses.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    }
  });

  test("what cannot be written down is logged and hurts nobody", async () => {
    const { db } = server.context;
    const { email } = await register(server);
    await db.execute(sql`ALTER TABLE jobs RENAME TO jobs_away`);
    const failing = new PasswordReset(parts());
    failing.request(email);
    await failing.settle();
    await db.execute(sql`ALTER TABLE jobs_away RENAME TO jobs`);
    const line = server.logs.find(({ msg }) => msg === "a password reset could not be asked for");
    expect(line).toMatchObject({ level: "error" });
    expect(JSON.stringify(line)).not.toContain(email);
    // Nor is there a token whose mail would never come.
    expect([
      ...(await db.execute(sql`SELECT FROM password_reset_tokens t WHERE used_at IS NULL
      AND NOT EXISTS (SELECT FROM jobs j WHERE j.id = t.id)`)),
    ]).toEqual([]);
  });

  test("holds up the end of the server no longer than told, when the database does not answer", async () => {
    const held = await holdTransaction(server, (tx) => tx.execute(sql`LOCK TABLE users`));
    const waiting = new PasswordReset(parts());
    waiting.request("nobody@example.org");
    await untilWaiting(server);
    await waiting.settle(50);
    await held.commit();
    await waiting.settle();
  });

  test("turns requests away when too many are under way", async () => {
    const busy = new PasswordReset(parts());
    for (let i = 0; i < 50; i++) busy.request("nobody@example.org");
    expect(() => busy.request("nobody@example.org")).toThrow("Too many");
    await busy.settle();
    busy.request("nobody@example.org");
    await busy.settle();
  });
});

describe("LogMailer", () => {
  const lineOf = async (publicUrl: string | undefined): Promise<Partial<LogLine>> => {
    const accountId = "some-account";
    const reset = { template: "password-reset", to: { ownerId: accountId } } as const;
    const composed = composeMail(reset, "secret-token", publicUrl);
    const { log } = server.context;
    const before = server.logs.length;
    const { template } = reset;
    await new LogMailer(log).send({
      ...composed,
      id: "some-job",
      to: "ada@example.org",
      accountId,
      template,
    });
    return server.logs[before] ?? {};
  };

  test("writes a link to the public address, and the account in place of the address", async () => {
    const line = await lineOf("https://trails.example.org/base/");
    expect(line).toMatchObject({
      level: "warn",
      accountId: "some-account",
      link: "https://trails.example.org/base/reset-password?token=secret-token",
    });
    expect(JSON.stringify(line)).not.toContain("ada@example.org");
  });

  test("writes the bare token where no public address is known", async () => {
    expect(await lineOf(undefined)).toMatchObject({ code: "secret-token" });
  });
});
