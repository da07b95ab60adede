import type { MailNetwork, MailSettings } from "./mail-check.ts";
import { openMailServer } from "./mail-server.ts";
import type { Mailer, OutgoingMail } from "./outgoing-mail.ts";

/**
 * Milliseconds that a server has to take a mail: whoever gives up earlier sends it a second time to a server that was
 * merely slow to say so. Source: RFC 5321, section 4.5.3.2.6.
 */
const takeWithin = 600_000;

/** Sends mails through a mail server. */
export class SmtpMailer implements Mailer {
  constructor(
    readonly settings: MailSettings,
    readonly network: MailNetwork = {},
  ) {}

  async send({ id, to, ...content }: OutgoingMail): Promise<void> {
    const server = await openMailServer(this.settings, this.network);
    await server.send(to, content, { id, within: takeWithin });
  }
}
