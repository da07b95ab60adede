import { MailError, verifyMail } from "../../../src/email/mail-check.ts";
import type { Answers, Section } from "../question.ts";

const isSmtp = ({ mail }: Answers) => mail === "smtp";

/** Mail: forgotten passwords, invitations, warnings. */
export const mailSection: Section = {
  title: "Mail",
  questions: [
    {
      name: "mail",
      flag: "mail <how>",
      ask: "Shall the server send mail? (forgotten passwords, invitations, warnings)",
      about: "how mail is sent: forgotten passwords, invitations, warnings",
      kind: "choice",
      choices: [
        { value: "none", label: "No", hint: '"trailglass reset-password" helps, too' },
        { value: "smtp", label: "Through a mail server (SMTP)" },
      ],
      impliedBy: { smtp: ["smtpHost", "smtpUsername", "smtpPassword"] },
      fallback: () => "none",
    },
    {
      name: "smtpHost",
      flag: "smtp-host <name>",
      ask: "Mail server, such as smtp.example.org",
      about: "mail server",
      kind: "text",
      variable: "SMTP_HOST",
      when: isSmtp,
    },
    {
      name: "smtpPort",
      flag: "smtp-port <number>",
      ask: "Its port",
      about: "port of the mail server; 465 is encrypted from the first byte",
      kind: "text",
      variable: "SMTP_PORT",
      when: isSmtp,
      fallback: () => "587",
    },
    {
      name: "smtpUsername",
      flag: "smtp-username <name>",
      ask: "User (empty: none)",
      about: "user of the mail server",
      kind: "text",
      variable: "SMTP_USERNAME",
      mayBeEmpty: true,
      when: isSmtp,
      fallback: () => "",
    },
    {
      name: "smtpPassword",
      flag: "smtp-password-file <file>",
      ask: "Password of that user",
      about: "file with the password of that user",
      kind: "secret",
      variable: "SMTP_PASSWORD",
      when: (answers) => isSmtp(answers) && Boolean(answers.smtpUsername),
    },
    {
      name: "smtpFrom",
      flag: "smtp-from <email>",
      ask: "Address that mails come from",
      about: "address that mails come from",
      kind: "text",
      variable: "SMTP_FROM_EMAIL",
      when: isSmtp,
      fallback: ({ smtpUsername }) => (smtpUsername?.includes("@") ? smtpUsername : undefined),
    },
    {
      name: "smtpFromName",
      flag: "smtp-from-name <name>",
      ask: "Name beside that address",
      about: "name beside that address",
      kind: "text",
      variable: "SMTP_FROM_NAME",
      flagOnly: true,
      when: isSmtp,
      fallback: () => "Trailglass",
    },
  ],
  async check(answers, _machine, config) {
    if (!isSmtp(answers)) return { problems: [] };
    try {
      await verifyMail(config());
      return { problems: [], notes: ["The mail server takes our mail."] };
    } catch (error) {
      if (!(error instanceof MailError)) throw error;
      return { problems: [{ message: error.message, bearable: true }] };
    }
  },
};
