import type { PasswordResetMail, PasswordResetMailer } from "./log-mailer.ts";
import type { MailNetwork, MailSettings } from "./mail-check.ts";
import { openMailServer } from "./mail-server.ts";
import { type RenderedMail, renderMail } from "./mail-template.ts";
import { resetLink } from "./reset-link.ts";
import { passwordResetCodeMail, passwordResetMail } from "./templates.ts";

/** Sends mails through a mail server. */
export class SmtpMailer implements PasswordResetMailer {
  constructor(
    readonly settings: MailSettings,
    readonly publicUrl: string | undefined,
    readonly network: MailNetwork = {},
  ) {}

  /** @throws MailError, which names neither the address nor the token */
  async send({ email, token }: PasswordResetMail): Promise<void> {
    const server = await openMailServer(this.settings, this.network);
    await server.send(email, this.#render(token));
  }

  #render(token: string): RenderedMail {
    if (!this.publicUrl) return renderMail(passwordResetCodeMail, { token });
    return renderMail(passwordResetMail, { link: resetLink(this.publicUrl, token) });
  }
}
