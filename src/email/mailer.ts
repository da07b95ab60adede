import type { Config } from "../config/config.ts";
import type { Log } from "../log.ts";
import { LogMailer } from "./log-mailer.ts";
import type { Mailer } from "./outgoing-mail.ts";
import { SmtpMailer } from "./smtp-mailer.ts";

/** Whether mails go to people, and not to the log. */
export const sendsMail = ({ emailEnabled, emailProvider }: Config): boolean =>
  emailEnabled && emailProvider !== "console";

/** What brings people their mails: a mail server where one is configured, else the log. */
export const createMailer = (config: Config, log: Log): Mailer =>
  sendsMail(config) ? new SmtpMailer(config) : new LogMailer(log);
