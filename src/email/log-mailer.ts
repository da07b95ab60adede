import type { Log } from "../log.ts";
import { resetLink } from "./reset-link.ts";

export interface PasswordResetMail {
  readonly accountId: string;
  /** Where the mail goes. */
  readonly email: string;
  /** Good once, for half an hour. */
  readonly token: string;
}

/** Brings the owner of an account the token with which to choose another password. */
export interface PasswordResetMailer {
  send(mail: PasswordResetMail): Promise<void>;
}

/**
 * Writes mails to the log, from where the household's administrator passes them on, for want of a mail server.
 * This one line holds a secret on purpose. The address stays out: the account's id says whose it is.
 */
export class LogMailer implements PasswordResetMailer {
  constructor(
    readonly log: Log,
    readonly publicUrl: string | undefined,
  ) {}

  async send({ accountId, token }: PasswordResetMail): Promise<void> {
    this.log.warn(
      { accountId, ...this.#way(token) },
      "password reset asked for; hand this to the account's owner",
    );
  }

  #way(token: string): { resetLink: string } | { resetToken: string } {
    if (!this.publicUrl) return { resetToken: token };
    return { resetLink: resetLink(this.publicUrl, token) };
  }
}
