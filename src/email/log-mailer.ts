import type { Log } from "../log.ts";
import type { Mailer, OutgoingMail } from "./outgoing-mail.ts";

/**
 * Writes mails to the log, from where the household's administrator passes them on, for want of a mail server. A line
 * with a link or a code holds a secret on purpose. Addresses stay out: the account's id says whose it is.
 */
export class LogMailer implements Mailer {
  constructor(private readonly log: Log) {}

  async send({ id, accountId, template, handOn, subject, text }: OutgoingMail): Promise<void> {
    const whose = { mail: template, job: id, ...(accountId !== null && { accountId }) };
    if (handOn) this.log.warn({ ...whose, ...handOn }, `no mail server is set, hand this on: ${subject}`);
    else
      this.log.warn(
        { ...whose, text: text.trim().replace(/\s+/g, " ") },
        `no mail server is set: ${subject}`,
      );
  }
}
