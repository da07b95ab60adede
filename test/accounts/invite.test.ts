import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { tmpdir } from "node:os";
import { sql } from "drizzle-orm";
import { findInvite } from "../../src/accounts/invites.ts";
import { revokeSigningKeys } from "../../src/accounts/key-rotation.ts";
import { databaseText, deliver, hurry, mailJobs, mailSettings } from "../email/mail-desk.ts";
import { program } from "../support/program.ts";
import {
  makeCertificate,
  startSmtpServer,
  type TakenMail,
  type TestSmtpServer,
} from "../support/smtp-server.ts";
import { bodiesOf, tokenIn } from "../support/taken-mail.ts";
import { startTestServer, type TestServer } from "../support/test-server.ts";
import { instantHasher, register } from "./people.ts";

const publicUrl = "https://trails.example.org";
let smtp: TestSmtpServer;
let server: TestServer;
beforeAll(async () => {
  smtp = await startSmtpServer({ ...makeCertificate(), authOptional: true });
  server = await startTestServer({ ...mailSettings(smtp.port), publicUrl }, { hasher: instantHasher });
});
afterAll(async () => {
  await server.stop();
  await smtp.stop();
});

const throughMail = () => ({
  EMAIL_ENABLED: "true",
  EMAIL_PROVIDER: "smtp",
  SMTP_HOST: "127.0.0.1",
  SMTP_PORT: String(smtp.port),
  SMTP_FROM_EMAIL: "trails@example.org",
});

async function run(args: string[], env: Record<string, string> = {}) {
  const child = Bun.spawn([...program, "invite", ...args], {
    cwd: tmpdir(),
    env: { PATH: process.env.PATH ?? "", DATABASE_URL: server.databaseUrl, ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  return { code: await child.exited, out, err };
}

const good = (token: string) => findInvite(server.context.db, token);
const daysLeft = async () => {
  const rows = await server.context.db.execute<{ days: number }>(sql`
    SELECT round(extract(epoch FROM expires_at - now()) / 86400)::int AS days FROM invites ORDER BY created_at`);
  return rows.map(({ days }) => days);
};

describe("trailglass invite", () => {
  test("has the running server send a mail, whose time begins when it is handed over", async () => {
    const { code, out, err } = await run(["ben@example.org", "--days", "3"], {
      ...throughMail(),
      PUBLIC_URL: publicUrl,
    });
    expect([code, err]).toEqual([0, ""]);
    expect(out).toContain("ben@example.org");
    expect(out).not.toMatch(/https?:|Code/);
    await server.context.db.execute(sql`UPDATE invites SET expires_at = now() - interval '9 days'`);
    await deliver(server);
    const [mail] = smtp.taken as [TakenMail];
    expect(mail.to).toEqual(["ben@example.org"]);
    expect(bodiesOf(mail).text).toContain("within 3 days");
    const token = tokenIn(mail);
    expect(await good(token)).toEqual({ email: "ben@example.org" });
    expect(await daysLeft()).toEqual([3]);
    expect(await databaseText(server)).not.toContain(token);
  });

  test("brings no invite a second time that was used meanwhile", async () => {
    const { db, registration } = server.context;
    smtp.taken.length = 0;
    await run(["hal@example.org"], throughMail());
    await deliver(server);
    const account = { email: "hal@example.org", displayName: "Hal", password: "a good password" };
    await registration.accept(account, tokenIn(smtp.taken[0] as TakenMail));
    await db.execute(sql`UPDATE jobs SET state = 'waiting' WHERE kind = 'mail'`);
    await deliver(server);
    expect(smtp.taken.filter(({ to }) => to.includes(account.email))).toHaveLength(1);
  });

  test("prints the link, too, when asked; the mail has the same", async () => {
    const env = { ...throughMail(), PUBLIC_URL: publicUrl };
    const { out } = await run(["cleo@example.org", "--print"], env);
    const printed = /^Link: https:\/\/trails\.example\.org\/invite\?token=(\S+)$/m.exec(out)?.[1] ?? "";
    expect(await good(printed)).toEqual({ email: "cleo@example.org" });
    await deliver(server);
    expect(tokenIn(smtp.taken.at(-1) as TakenMail)).toBe(printed);
    expect(await good(printed)).toEqual({ email: "cleo@example.org" });
  });

  test("prints the link where no mail is set up, and the code where there is no PUBLIC_URL either", async () => {
    const before = (await mailJobs(server)).length;
    const linked = await run(["dora@example.org"], { PUBLIC_URL: publicUrl });
    const link = /token=(\S+)$/m.exec(linked.out)?.[1] ?? "";
    const coded = await run(["emil@example.org", "--days", "1"]);
    const code = /^Code: (\S+)$/m.exec(coded.out)?.[1] ?? "";
    expect(coded.out).toContain("one day");
    expect(await Promise.all([link, code].map(good))).toEqual([
      { email: "dora@example.org" },
      { email: "emil@example.org" },
    ]);
    expect(await mailJobs(server)).toHaveLength(before);
  });

  test("refuses what it cannot do", async () => {
    const { email } = await register(server);
    for (const [args, code, words] of [
      [[email.toUpperCase()], 1, "registered already"],
      [["nobody"], 1, "email"],
      [["f@example.org", "--days", "0"], 64, "1 to 90"],
      [[], 64, "missing required argument"],
    ] as const) {
      const outcome = await run([...args]);
      expect(outcome.code).toBe(code);
      expect(outcome.err).toContain(words);
    }
  });
});

describe("rotate-keys --revoke-all", () => {
  test("ends what mails have brought; what is on its way brings another token", async () => {
    const { context } = server;
    const { email } = await register(server);
    smtp.taken.length = 0;
    context.passwordReset.request(email);
    await deliver(server);
    await run(["gus@example.org"], throughMail());
    await deliver(server);
    const [reset, invite] = smtp.taken.map(tokenIn) as [string, string];
    expect([await context.passwordReset.isGood(reset), await good(invite)]).toEqual([
      true,
      { email: "gus@example.org" },
    ]);
    await context.db.execute(sql`UPDATE jobs SET state = 'waiting' WHERE kind = 'mail'`);
    await revokeSigningKeys(context.db, context.config);
    expect([await context.passwordReset.isGood(reset), await good(invite)]).toEqual([false, undefined]);
    smtp.taken.length = 0;
    await hurry(server);
    await deliver(server);
    const again = smtp.taken.map(tokenIn);
    expect(again).not.toContain(reset);
    expect(again).not.toContain(invite);
    const isGood = await Promise.all(
      again.map(async (token) => (await context.passwordReset.isGood(token)) || (await good(token))),
    );
    expect(isGood.every(Boolean)).toBe(true);
    expect(again.length).toBeGreaterThanOrEqual(2);
  });
});
