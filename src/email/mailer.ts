import type { Config } from "../config/config.ts";
import type { Log } from "../log.ts";
import { LogMailer, type PasswordResetMailer } from "./log-mailer.ts";
import { SmtpMailer } from "./smtp-mailer.ts";

/** What brings people their mails: a mail server where one is configured, else the log. */
export function createMailer(config: Config, log: Log): PasswordResetMailer {
  const { emailEnabled, emailProvider, publicUrl } = config;
  if (!emailEnabled || emailProvider === "console") return new LogMailer(log, publicUrl);
  return new SmtpMailer(config, publicUrl);
}
