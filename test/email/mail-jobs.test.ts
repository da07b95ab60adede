import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { AccountMailDesk } from "../../src/accounts/mail-desk.ts";
import { enqueueMail } from "../../src/email/enqueue-mail.ts";
import { mailJob } from "../../src/email/mail-job.ts";
import type { Mail } from "../../src/email/mails.ts";
import { pauseAfter } from "../../src/jobs/job.ts";
import { JobWorker } from "../../src/jobs/worker.ts";
import { instantHasher, login, type Person, register } from "../accounts/people.ts";
import {
  makeCertificate,
  startSmtpServer,
  type TakenMail,
  type TestSmtpOptions,
  type TestSmtpServer,
} from "../support/smtp-server.ts";
import { bodiesOf, headersOf, tokenIn } from "../support/taken-mail.ts";
import { startTestServer, type TestServer } from "../support/test-server.ts";
import { until } from "../support/until.ts";
import { databaseText, deliver, hurry, mailJobs, mailSettings } from "./mail-desk.ts";

/** What the mail server says next to a recipient or a mail, if it is not to take it. */
let refusal: { at: "RCPT" | "DATA"; code: number } | null = null;
/** Every mail that was presented, also those that were not taken. */
const presented: TakenMail[] = [];
/** Until when it has not said whether it takes a mail. */
let pondering = Promise.resolve();
const refuse = (code: number) => Object.assign(new Error("we know ada@example.org"), { responseCode: code });

const behaviour: TestSmtpOptions = {
  ...makeCertificate(),
  authOptional: true,
  onRcptTo: (_address, _session, done) => (refusal?.at === "RCPT" ? done(refuse(refusal.code)) : done()),
  judge: async (mail) => {
    presented.push(mail);
    await pondering;
    return refusal?.at === "DATA" ? refuse(refusal.code) : null;
  },
};

let smtp: TestSmtpServer;
let server: TestServer;
let ada: Person;
beforeAll(async () => {
  smtp = await startSmtpServer(behaviour);
  server = await startTestServer(
    { ...mailSettings(smtp.port), publicUrl: "https://trails.example.org/base/" },
    { hasher: instantHasher },
  );
  ada = await register(server);
});
afterAll(async () => {
  await server.stop();
  await smtp.stop();
});
afterEach(async () => {
  refusal = null;
  pondering = Promise.resolve();
  smtp.taken.length = 0;
  presented.length = 0;
  // So many requests in half an hour are answered by no more mails.
  await server.context.db.execute(sql`TRUNCATE jobs, password_reset_tokens`);
});

const toAda = () => ({ ownerId: ada.userId });
const ask = (mail: Mail) => enqueueMail(server.context.db, mail);
const taken = () => smtp.taken.map((mail) => ({ mail, ...bodiesOf(mail) }));
const subjects = () => smtp.taken.map((mail) => headersOf(mail).get("subject"));
const requestReset = (email = ada.email) => server.context.passwordReset.request(email);

const expires = "2025-11-24T10:00:30.000Z";
const exported = (link: string | null): Mail => ({
  template: "export-ready",
  to: toAda(),
  values: { format: "GPX", size: 1_610_612_736, link, expires },
});
const strange = (device: string): Mail => ({
  template: "new-device",
  to: toAda(),
  values: { device, platform: "Android", at: "2025-11-17T10:00:30.000Z" },
});

describe("a mail arrives", () => {
  test.each<[string, () => Mail, string, string[]]>([
    [
      "an invitation",
      () => ({ template: "invitation", to: { address: "ben@example.org" }, values: { days: 7 } }),
      "You are invited to Trailglass",
      ["within 7 days", "https://trails.example.org/base/invite?token="],
    ],
    [
      "an export that is ready",
      () => exported("https://trails.example.org/base/storage/x?signature=y&amp"),
      "Your Trailglass export is ready",
      [
        "GPX, 1.5 GB",
        "until 2025-11-24 10:00 UTC",
        "https://trails.example.org/base/storage/x?signature=y&amp",
      ],
    ],
    [
      "a new device",
      () => strange("Pixel 8"),
      "A new device signed in to Trailglass",
      ["Device: Pixel 8", "System: Android", "Time: 2025-11-17 10:00 UTC", "somebody knows your password"],
    ],
    [
      "a backup that failed",
      () => ({
        template: "backup-failed",
        to: "admin",
        values: { newest: expires, problem: "the disk is gone" },
      }),
      "Trailglass could not make a backup",
      ["The newest one is of 2025-11-24 10:00 UTC.", "What went wrong: the disk is gone"],
    ],
    [
      "a backup that failed, where there is none",
      () => ({ template: "backup-failed", to: "admin", values: { newest: null, problem: "no room" } }),
      "Trailglass could not make a backup",
      ["No other could be found."],
    ],
    [
      "a disk that is nearly full",
      () => ({
        template: "storage-nearly-full",
        to: "admin",
        values: { disk: "BACKUP_DIR", free: 1024 ** 3 / 2, total: 64 * 1024 ** 3 },
      }),
      "The disk of your Trailglass server is nearly full",
      ["the backups (BACKUP_DIR), 512 MB of 64 GB are free"],
    ],
  ])("about %s", async (_what, mail, subject, words) => {
    const wanted = mail();
    const id = await ask(wanted);
    if (wanted.template === "invitation")
      await server.context.db.execute(sql`
        INSERT INTO invites (id, token_hash, expires_at) VALUES (${id}, ${Buffer.from(id)}, now())`);
    await deliver(server);
    expect(subjects()).toEqual([subject]);
    const [{ mail: source, text, html }] = taken() as [ReturnType<typeof taken>[number]];
    const unfolded = text.replace(/\r\n/g, "\n");
    for (const part of words) {
      expect(unfolded).toContain(part);
      expect(html).toContain(Bun.escapeHTML(part));
    }
    expect(source.to).toEqual([wanted.template === "invitation" ? "ben@example.org" : ada.email]);
    expect(headersOf(source).get("message-id")).toBe(`<${id}@example.org>`);
    expect(text + html).not.toContain("{{");
  });

  test("with a link to PUBLIC_URL, or with none", async () => {
    await ask(exported("https://evil.example/base/"));
    await ask(exported(null));
    await deliver(server);
    for (const { text, html } of taken()) {
      expect(text).toContain("Download it in the app");
      expect(text + html).not.toContain("http");
    }
  });

  test("with nothing but words in the place of words", async () => {
    const evil = "<b>x</b>\r\nBcc: eve@evil.example\r\n\r\nhttps://evil.example/\u202e{{at}}";
    await ask(strange(evil));
    await ask(strange("https://evil.example/"));
    await deliver(server);
    for (const { mail, html } of taken()) {
      expect(mail.to).toEqual([ada.email]);
      expect([...headersOf(mail).keys()]).not.toContain("bcc");
      expect(html).not.toContain("<a ");
      expect(html).not.toContain("<b>");
    }
    expect(taken()[0]?.text).toContain(
      "Device: <b>x</b> Bcc: eve@evil.example https://evil.example/ {{at}}\r\n",
    );
  });

  test("where ADMIN_EMAIL says, else at the oldest account that is not shut", async () => {
    const { db, accounts } = server.context;
    expect(await new AccountMailDesk(db, "admin@example.org").addressOf("admin")).toBe("admin@example.org");
    const ben = await register(server);
    expect(await new AccountMailDesk(db, undefined).addressOf("admin")).toBe(ada.email);
    await accounts.setDisabled(ada.userId, true);
    expect(await new AccountMailDesk(db, undefined).addressOf("admin")).toBe(ben.email);
    expect(await new AccountMailDesk(db, undefined).addressOf({ ownerId: ada.userId })).toBeNull();
    await accounts.setDisabled(ada.userId, false);
  });

  test("at nobody whose account is shut or gone", async () => {
    const ben = await register(server);
    const cleo = await register(server);
    for (const { userId } of [ben, cleo])
      await ask({ ...strange("Pixel 8"), to: { ownerId: userId } } as Mail);
    await server.context.accounts.setDisabled(ben.userId, true);
    await server.context.accounts.delete(cleo.userId);
    await deliver(server);
    expect(smtp.taken).toEqual([]);
    expect((await mailJobs(server)).map(({ state }) => state)).toEqual(["done"]);
  });
});

describe("a mail server", () => {
  test("that is away delays mail, which comes once", async () => {
    const { port } = smtp;
    await smtp.stop();
    requestReset();
    await deliver(server);
    expect(await mailJobs(server)).toMatchObject([
      { state: "waiting", attempts: 1, problem: expect.stringContaining("Nothing answers") },
    ]);
    smtp = await startSmtpServer({ ...behaviour, port });
    await hurry(server);
    await deliver(server);
    await hurry(server);
    await deliver(server);
    expect(smtp.taken.map(({ to }) => to)).toEqual([[ada.email]]);
    expect(await mailJobs(server)).toMatchObject([{ state: "done", attempts: 2 }]);
  });

  test("has more than a day to come back", () => {
    const { desk, mailer } = { desk: {} as never, mailer: {} as never };
    const kind = mailJob({ desk, mailer, publicUrl: undefined });
    const pauses = Array.from({ length: kind.attempts - 1 }, (_one, n) => pauseAfter(kind, n + 1, 0));
    expect(pauses.reduce((sum, pause) => sum + pause, 0)).toBeGreaterThan(86_400);
    expect(pauses[0]).toBeLessThan(60);
  });

  test.each([
    ["RCPT", 450],
    ["DATA", 451],
  ] as const)("that says at %s that it cannot just now (%d) is asked again", async (at, code) => {
    refusal = { at, code };
    await ask(strange("Pixel 8"));
    await deliver(server);
    expect(await mailJobs(server)).toMatchObject([{ state: "waiting", attempts: 1 }]);
    refusal = null;
    await hurry(server);
    await deliver(server);
    expect(smtp.taken).toHaveLength(1);
  });

  test.each([
    ["RCPT", 550],
    ["DATA", 554],
  ] as const)("that says at %s that it never will (%d) is not asked again", async (at, code) => {
    refusal = { at, code };
    await ask(strange("Pixel 8"));
    await deliver(server);
    const [job] = await mailJobs(server);
    expect(job?.problem).toContain(String(code));
    expect(job?.problem).not.toContain("@");
    expect(job).toMatchObject({ state: "dead", attempts: 1 });
    expect(JSON.stringify(server.logs)).not.toContain("ada@example.org");
  });

  test("that ponders while the server is told to stop is heard out", async () => {
    const { db, log, work: kinds } = server.context;
    const worker = new JobWorker({ db, log, kinds });
    const verdict = Promise.withResolvers<void>();
    pondering = verdict.promise;
    await ask(strange("Pixel 8"));
    worker.start();
    await until(() => presented.length === 1);
    const stopping = worker.stop();
    verdict.resolve();
    await stopping;
    expect(smtp.taken).toHaveLength(1);
    expect((await mailJobs(server)).map(({ state }) => state)).toEqual(["done"]);
  });

  test("that gets a mail twice recognises it: it is the same, token and all", async () => {
    refusal = { at: "DATA", code: 451 };
    requestReset();
    await deliver(server);
    refusal = null;
    await hurry(server);
    await deliver(server);
    const [first, second] = presented as [TakenMail, TakenMail];
    expect(presented).toHaveLength(2);
    expect(headersOf(second).get("message-id")).toBe(headersOf(first).get("message-id") as string);
    expect(tokenIn(first)).toHaveLength(43);
    expect(tokenIn(second)).toBe(tokenIn(first));
  });
});

test("of two servers, one sends a mail", async () => {
  const { context } = server;
  for (let n = 0; n < 12; n++) await ask(strange(`Pixel ${n}`));
  const other = new JobWorker({ db: context.db, log: context.log, kinds: context.work });
  await Promise.all([context.worker.runDue(), other.runDue()]);
  const devices = taken().map(({ text }) => /Device: (.*)\r/.exec(text)?.[1]);
  expect(devices).toHaveLength(12);
  expect(new Set(devices).size).toBe(12);
});

describe("the token of a mail", () => {
  test("stands nowhere in the database, nor does it or the address in the log", async () => {
    const before = server.logs.length;
    requestReset();
    await deliver(server);
    const token = tokenIn(smtp.taken[0] as TakenMail);
    expect(token).toHaveLength(43);
    const stored = await databaseText(server);
    const hash = new Bun.CryptoHasher("sha256").update(token).digest("hex");
    expect(stored).toContain(hash);
    for (const spelling of [
      token,
      Buffer.from(token).toString("hex"),
      Buffer.from(token, "base64url").toString("hex"),
    ])
      expect(stored).not.toContain(spelling);
    const logged = JSON.stringify(server.logs.slice(before));
    for (const secret of [token, ada.email]) expect(logged).not.toContain(secret);
  });

  test("has its thirty minutes from when it is handed over, however late that is", async () => {
    requestReset();
    await server.context.passwordReset.settle();
    const { db } = server.context;
    await db.execute(sql`UPDATE password_reset_tokens SET expires_at = now() - interval '20 hours'`);
    await deliver(server);
    expect(await server.context.passwordReset.isGood(tokenIn(smtp.taken[0] as TakenMail))).toBe(true);
  });

  test("is not sent when somebody has asked for a newer one, or the password was changed meanwhile", async () => {
    const { accounts, passwordReset } = server.context;
    requestReset();
    await passwordReset.settle();
    requestReset();
    await deliver(server);
    expect(smtp.taken).toHaveLength(1);
    const token = tokenIn(smtp.taken[0] as TakenMail);
    await passwordReset.reset(token, "another good one");
    requestReset();
    await passwordReset.settle();
    const [user] = await server.context.db.execute<{ id: string; email: string }>(
      sql`SELECT id, email FROM users WHERE id = ${ada.userId}`,
    );
    await accounts.overridePassword(user as never, "yet another good one");
    await deliver(server);
    expect(smtp.taken).toHaveLength(1);
    expect((await mailJobs(server)).every(({ state }) => state === "done")).toBe(true);
  });
});

describe("a sign-in", () => {
  const devices = async () => (await mailJobs(server)).map(({ mail }) => mail);

  test("on a device that the account has not seen is told, and no other", async () => {
    const cleo = await register(server);
    expect(await devices()).toEqual([]);
    await login(server, cleo, cleo.deviceId);
    expect(await devices()).toEqual([]);
    const second = crypto.randomUUID();
    await login(server, cleo, second);
    await login(server, cleo, second);
    expect(await devices()).toMatchObject([
      {
        template: "new-device",
        to: { ownerId: cleo.userId },
        values: { device: "Pixel 8", platform: "Android", at: expect.stringMatching(/Z$/) },
      },
    ]);
  });

  test("on a device of somebody else's is told, as the account has not seen it", async () => {
    const [dora, eve] = [await register(server), await register(server)];
    await login(server, dora, eve.deviceId);
    expect(await devices()).toMatchObject([{ to: { ownerId: dora.userId } }]);
  });

  test("on the first device of an account that was made without is not", async () => {
    const account = { email: "frank@example.org", displayName: "Frank", password: "a good password" };
    await server.context.registration.create(account);
    await login(server, account);
    expect(await devices()).toEqual([]);
  });
});

test("without a mail server, mails go to the log: the link in one line, and no address", async () => {
  const plain = await startTestServer({ publicUrl: "https://trails.example.org" }, { hasher: instantHasher });
  try {
    const { email, userId: accountId } = await register(plain);
    plain.context.passwordReset.request(email);
    await enqueueMail(plain.context.db, { ...strange("Pixel\n8"), to: { ownerId: accountId } } as Mail);
    await deliver(plain);
    const lines = plain.logs.filter(({ msg }) => msg?.includes("no mail server is set"));
    expect(lines).toHaveLength(2);
    expect(lines.find(({ mail }) => mail === "password-reset")).toMatchObject({
      accountId,
      link: expect.stringMatching(/^https:\/\/trails\.example\.org\/reset-password\?token=/),
    });
    expect(lines.find(({ mail }) => mail === "new-device")).toMatchObject({
      accountId,
      text: expect.stringContaining("Device: Pixel 8 System: Android"),
    });
    expect(JSON.stringify(plain.logs)).not.toContain(email);
    expect((await mailJobs(plain)).map(({ state }) => state)).toEqual(["done", "done"]);
  } finally {
    await plain.stop();
  }
});
