import { describe, expect, test } from "bun:test";
import { ConfigError, type Environment, readConfig } from "../../src/config/config.ts";
import { LogMailer } from "../../src/email/log-mailer.ts";
import { openMailServer } from "../../src/email/mail-server.ts";
import { createMailer } from "../../src/email/mailer.ts";
import { SmtpMailer } from "../../src/email/smtp-mailer.ts";
import { createLog } from "../../src/log.ts";

const read = (environment: Environment) =>
  readConfig({ environment, readFile: () => "", defaultDataDir: "/nonexistent" });

function problemsOf(environment: Environment): readonly string[] {
  try {
    read(environment);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

const log = createLog({ level: "silent", format: "json" });
const smtp = {
  EMAIL_ENABLED: "true",
  EMAIL_PROVIDER: "smtp",
  SMTP_HOST: "mail.example.org",
  SMTP_FROM_EMAIL: "trails@example.org",
};
const { SMTP_HOST: _host, ...hostless } = smtp;

describe("who brings the mail", () => {
  test.each([
    ["nobody is set", {}],
    ["it is switched off", { ...smtp, EMAIL_ENABLED: "false" }],
    ["it is the console", { EMAIL_ENABLED: "true" }],
  ])("the log, when %s", (_what, environment) => {
    expect(createMailer(read(environment), log)).toBeInstanceOf(LogMailer);
  });

  test("a mail server, when one is set", () => {
    expect(createMailer(read(smtp), log)).toBeInstanceOf(SmtpMailer);
  });

  test("SendGrid's server and user go without saying", async () => {
    const config = read({ ...hostless, EMAIL_PROVIDER: "sendgrid", SMTP_PASSWORD: "key" });
    const { transporter } = await openMailServer(config);
    expect(transporter.options).toMatchObject({
      host: "smtp.sendgrid.net",
      port: 587,
      requireTLS: true,
      auth: { user: "apikey", pass: "key" },
    });
  });

  test("port 465 is encrypted from the first byte, every other by STARTTLS", async () => {
    const options = async (environment: Environment) =>
      (await openMailServer(read({ ...smtp, ...environment }))).transporter.options;
    expect(await options({ SMTP_PORT: "465" })).toMatchObject({ secure: true });
    expect(await options({ SMTP_PORT: "465", SMTP_TLS_ENABLED: "false" })).toMatchObject({ secure: true });
    expect(await options({ SMTP_PORT: "25" })).toMatchObject({ secure: false, requireTLS: true });
  });
});

describe("refused at the start", () => {
  test.each<[string, Environment, RegExp]>([
    ["no host", hostless, /^SMTP_HOST is needed/],
    ["no host for Amazon's", { ...hostless, EMAIL_PROVIDER: "ses" }, /^SMTP_HOST is needed.*ses/],
    ["no sender", { ...smtp, SMTP_FROM_EMAIL: "" }, /^SMTP_FROM_EMAIL is needed/],
    ["a user without a password", { ...smtp, SMTP_USERNAME: "x" }, /^SMTP_USERNAME and SMTP_PASSWORD/],
    ["a password without a user", { ...smtp, SMTP_PASSWORD: "x" }, /^SMTP_USERNAME and SMTP_PASSWORD/],
    ["a sender that is no address", { ...smtp, SMTP_FROM_EMAIL: "me" }, /^SMTP_FROM_EMAIL must be/],
    [
      "a name of two lines",
      { ...smtp, SMTP_FROM_NAME: "A\r\nBcc: b@c.de" },
      /^SMTP_FROM_NAME must be one line/,
    ],
    ["another provider", { ...smtp, EMAIL_PROVIDER: "pigeon" }, /^EMAIL_PROVIDER must be one of/],
  ])("%s", (_what, environment, expected) => {
    expect(problemsOf(environment)).toEqual([expect.stringMatching(expected)]);
  });

  test("nothing of it while mail is switched off", () => {
    expect(problemsOf({ EMAIL_PROVIDER: "smtp", SMTP_USERNAME: "x" })).toEqual([]);
  });
});
