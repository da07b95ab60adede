import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { createServer, type Server } from "node:net";
import type { SMTPServerOptions } from "smtp-server";
import { composeMail } from "../../src/email/compose-mail.ts";
import { MailError, type MailSettings, sendTestMail, verifyMail } from "../../src/email/mail-check.ts";
import type { OutgoingMail } from "../../src/email/outgoing-mail.ts";
import { SmtpMailer } from "../../src/email/smtp-mailer.ts";
import { register } from "../accounts/people.ts";
import {
  makeCertificate,
  startSmtpServer,
  type TakenMail,
  type TestSmtpServer,
} from "../support/smtp-server.ts";
import { bodiesOf, headersOf } from "../support/taken-mail.ts";
import { startTestServer } from "../support/test-server.ts";

let certificate: { key: string; cert: string };
beforeAll(() => {
  certificate = makeCertificate();
});

const servers: TestSmtpServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
});
async function start(options: SMTPServerOptions = {}): Promise<TestSmtpServer> {
  const server = await startSmtpServer({ ...certificate, ...options });
  servers.push(server);
  return server;
}

function settings(port: number, change: Partial<MailSettings> = {}): MailSettings {
  return {
    emailEnabled: true,
    emailProvider: "smtp",
    smtpHost: "localhost",
    smtpPort: port,
    smtpUsername: "trails",
    smtpPassword: "open sesame",
    smtpFromEmail: "trails@example.org",
    smtpFromName: "Trailglass",
    smtpTlsEnabled: true,
    ...change,
  };
}
const trust = () => ({ trustedRoots: certificate.cert });
const token = "to-ke_n";
const id = "0f8fad5b-d9cb-469f-a165-70867728950e";
const accountId = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
function mail(to = "ada@example.org", publicUrl?: string, code = token): OutgoingMail {
  const reset = { template: "password-reset", to: { ownerId: accountId } } as const;
  return { ...composeMail(reset, code, publicUrl), id, to, accountId, template: reset.template };
}
const mailer = (port: number, change: Partial<MailSettings> = {}) =>
  new SmtpMailer(settings(port, change), trust());

async function failureOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => new Error("it worked"),
    (failure) => failure,
  );
  expect(error).toBeInstanceOf(MailError);
  return error.message;
}

describe("a mail", () => {
  test("goes out over STARTTLS, signed in, as text and as HTML with the link", async () => {
    const server = await start();
    const publicUrl = "https://trails.example.org/journal/";
    await mailer(server.port).send(mail("ada@example.org", publicUrl));
    expect(server.taken).toHaveLength(1);
    const [taken] = server.taken as [TakenMail];
    expect(taken).toMatchObject({
      from: "trails@example.org",
      to: ["ada@example.org"],
      encrypted: true,
      user: "trails",
    });
    const headers = headersOf(taken);
    expect(headers.get("from")).toBe("Trailglass <trails@example.org>");
    expect(headers.get("to")).toBe("ada@example.org");
    expect(headers.get("subject")).toBe("Choose a new password for Trailglass");
    expect(headers.get("message-id")).toBe(`<${id}@example.org>`);
    const link = "https://trails.example.org/journal/reset-password?token=to-ke_n";
    const { text, html } = bodiesOf(taken);
    expect(text.split("\r\n")).toContain(link);
    expect(html).toContain(`<a href="${link}">${link}</a>`);
  });

  test("carries the code where there is no PUBLIC_URL to make a link from", async () => {
    const server = await start();
    await mailer(server.port).send(mail());
    const { text, html } = bodiesOf(server.taken[0] as TakenMail);
    expect(text.split("\r\n")).toContain(token);
    expect(text + html).not.toContain("http");
  });

  test("goes out over TLS from the first byte on the port for that", async () => {
    const server = await start({ secure: true });
    const network = { ...trust(), implicitTlsPort: server.port };
    await new SmtpMailer(settings(server.port), network).send(mail());
    // However SMTP_TLS_ENABLED stands: that port speaks nothing else.
    await new SmtpMailer(settings(server.port, { smtpTlsEnabled: false }), network).send(mail());
    expect(server.taken.map(({ encrypted }) => encrypted)).toEqual([true, true]);
  });

  test("goes in clear where TLS is switched off, without a user where none is set", async () => {
    const server = await start({ authOptional: true });
    const plain = { smtpTlsEnabled: false, smtpUsername: undefined, smtpPassword: undefined };
    await mailer(server.port, plain).send(mail());
    expect(server.taken).toMatchObject([{ encrypted: false, user: undefined }]);
  });

  test("comes from a name with umlauts, quotes and commas as it is", async () => {
    const server = await start();
    await mailer(server.port, { smtpFromName: "Familie Müller" }).send(mail());
    await mailer(server.port, { smtpFromName: 'The "Trails", Ltd. <x@evil.example>' }).send(mail());
    const [umlauts, quotes] = server.taken.map((taken) => headersOf(taken).get("from") ?? "");
    const [, encoded = ""] = /^=\?UTF-8\?Q\?(.*)\?= <trails@example\.org>$/.exec(umlauts ?? "") ?? [];
    expect(encoded).toBe("Familie_M=C3=BCller");
    expect(quotes).toBe('"The \\"Trails\\", Ltd. <x@evil.example>" <trails@example.org>');
  });

  test.each([
    [
      "a line break in the sender's name",
      { smtpFromName: "Trails\r\nBcc: eve@evil.example" },
      "ada@example.org",
    ],
    ["a line break in the address", {}, "ada@example.org\r\nBcc: eve@evil.example"],
    ["a second address", {}, "ada@example.org, eve@evil.example"],
    ["a command in the address", {}, "ada@example.org>\r\nRCPT TO:<eve@evil.example"],
  ])("has no room for %s", async (_what, change, address) => {
    const server = await start();
    await mailer(server.port, change)
      .send(mail(address))
      .catch(() => undefined);
    for (const taken of server.taken) {
      expect([...headersOf(taken).keys()]).not.toContain("bcc");
      expect(taken.to).not.toContain("eve@evil.example");
      expect(taken.to).toHaveLength(1);
    }
  });

  test("escapes what stands in it", async () => {
    const server = await start();
    await mailer(server.port).send(mail("ada@example.org", undefined, '<b>"&\nSubject: x {{code}}'));
    const { text, html } = bodiesOf(server.taken[0] as TakenMail);
    expect(text).toContain('<b>"& Subject: x {{code}}');
    expect(html).toContain("&lt;b&gt;&quot;&amp; Subject: x {{code}}");
    expect(html).not.toContain("<b>");
  });
});

describe("nothing is sent, and the administrator is told why, when", () => {
  test("the server has no STARTTLS: neither mail nor password go in clear", async () => {
    const server = await start({
      hideSTARTTLS: true,
      disabledCommands: ["STARTTLS"],
      allowInsecureAuth: true,
    });
    expect(await failureOf(mailer(server.port).send(mail()))).toContain("STARTTLS");
    expect(await failureOf(verifyMail(settings(server.port), trust()))).toContain("SMTP_TLS_ENABLED");
    expect([server.taken, server.logins]).toEqual([[], []]);
  });

  test("the password is wrong; it is not repeated", async () => {
    const server = await start();
    const wrong = { smtpPassword: "open barley" };
    const told = await failureOf(verifyMail(settings(server.port, wrong), trust()));
    expect(told).toMatch(/SMTP_USERNAME and SMTP_PASSWORD.*535/);
    expect(told).not.toContain("barley");
    await failureOf(mailer(server.port, wrong).send(mail()));
    expect(server.taken).toEqual([]);
  });

  test("there is nobody to sign in to, though a password is set", async () => {
    const server = await start({ disabledCommands: ["AUTH"] });
    expect(await failureOf(verifyMail(settings(server.port), trust()))).toContain("SMTP_PASSWORD");
  });

  test("the certificate is nobody's that we know, or is for another name", async () => {
    const server = await start();
    expect(await failureOf(verifyMail(settings(server.port)))).toContain("certificate");
    const byAddress = settings(server.port, { smtpHost: "127.0.0.1" });
    expect(await failureOf(verifyMail(byAddress, trust()))).toContain("certificate");
    const implicit = await start({ secure: true });
    const network = { implicitTlsPort: implicit.port };
    expect(await failureOf(verifyMail(settings(implicit.port), network))).toContain("certificate");
    expect([server.logins, implicit.logins]).toEqual([[], []]);
  });

  test("nothing answers there, by that name or at that port", async () => {
    const server = await start();
    await server.stop();
    servers.pop();
    expect(await failureOf(verifyMail(settings(server.port)))).toContain("Nothing answers");
    const nowhere = settings(25, { smtpHost: "mail.invalid" });
    expect(await failureOf(verifyMail(nowhere))).toContain("SMTP_HOST");
  });

  test("TLS is spoken where STARTTLS is, and the other way round", async () => {
    const starttls = await start();
    const network = { ...trust(), implicitTlsPort: starttls.port };
    expect(await failureOf(verifyMail(settings(starttls.port), network))).toContain("465");
  });

  test("the server takes no mail for the address, or from ours; neither is repeated", async () => {
    const refuse = (address: { address: string }, _session: unknown, done: (error?: Error) => void) =>
      done(new Error(`we do not know ${address.address}`));
    const recipients = await start({ onRcptTo: refuse });
    const told = await failureOf(mailer(recipients.port).send(mail()));
    expect(told).toContain("no mail for this address (550)");
    expect(told).not.toContain("ada");
    const senders = await start({ onMailFrom: refuse });
    expect(await failureOf(sendTestMail(settings(senders.port), "ada@example.org", trust()))).toContain(
      "SMTP_FROM_EMAIL",
    );
  });

  test("no mail server is configured", async () => {
    for (const change of [
      { emailEnabled: false },
      { emailProvider: "console" },
      { smtpHost: undefined },
    ] as const)
      expect(await failureOf(verifyMail(settings(25, change)))).toContain("EMAIL_ENABLED");
  });
});

describe("a mail server that says nothing", () => {
  let silent: Server;
  beforeAll(async () => {
    silent = createServer((socket) => socket.on("error", () => {}));
    await new Promise<void>((listening) => silent.listen(0, "127.0.0.1", listening));
  });
  afterAll(() => {
    silent.close();
  });

  test("is given up", async () => {
    const { port } = silent.address() as { port: number };
    expect(await failureOf(verifyMail(settings(port), { patience: 200 }))).toContain("does not answer");
    // Nor does it hold up whoever expects TLS at once.
    const network = { patience: 200, implicitTlsPort: port };
    expect(await failureOf(verifyMail(settings(port), network))).toContain("does not answer");
  });
});

test("a test mail arrives, and a check sends none", async () => {
  const server = await start();
  await verifyMail(settings(server.port), trust());
  expect([server.taken.length, server.logins.length]).toEqual([0, 1]);
  await sendTestMail(settings(server.port), "admin@example.org", trust());
  const [taken] = server.taken as [TakenMail];
  expect(headersOf(taken).get("subject")).toBe("Mail from Trailglass works");
  expect(bodiesOf(taken).text).toContain("They do.");
});

test("a forgotten password, from the request to the mail; a failure tells nobody who has an account", async () => {
  const smtp = await start({ authOptional: true });
  const plain = { smtpTlsEnabled: false, smtpUsername: undefined, smtpPassword: undefined };
  const server = await startTestServer({
    ...settings(smtp.port, plain),
    publicUrl: "https://trails.example.org",
  });
  try {
    const person = await register(server);
    const ask = (email: string) =>
      server.request("POST", "/auth/reset-password-request", {
        body: { email },
        headers: { Host: "evil.example" },
      });
    const deliver = async () => {
      await server.context.passwordReset.settle();
      await server.context.worker.runDue();
    };
    expect((await ask(person.email)).status).toBe(202);
    await deliver();
    const [taken] = smtp.taken as [TakenMail];
    expect(taken.to).toEqual([person.email]);
    const [, given = ""] =
      /https:\/\/trails\.example\.org\/reset-password\?token=(\S+)/.exec(bodiesOf(taken).text) ?? [];
    const body = { token: given, newPassword: "another good one" };
    expect((await server.request("POST", "/auth/reset-password", { body })).status).toBe(204);
    await smtp.stop();
    servers.pop();
    const answers = [await ask(person.email), await ask("nobody@example.org")];
    expect(answers.map(({ status, text }) => [status, text])).toEqual([
      [202, ""],
      [202, ""],
    ]);
    await deliver();
    const failures = server.logs.filter(({ msg }) => msg === "a job failed; it is tried again");
    expect(failures).toHaveLength(1);
    expect(JSON.stringify(failures)).toContain("Nothing answers");
    for (const secret of [person.email, given]) expect(JSON.stringify(server.logs)).not.toContain(secret);
  } finally {
    await server.stop();
  }
});
