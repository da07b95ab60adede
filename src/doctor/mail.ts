import { MailError, verifyMail } from "../email/mail-check.ts";
import type { DoctorParts } from "./check.ts";
import { fail, ok, skip, type Verdict } from "./finding.ts";

/** The mail server lets us in; nothing is sent. */
export async function checkMail({ config }: DoctorParts): Promise<Verdict> {
  if (!config.emailEnabled) return skip("off (EMAIL_ENABLED): reset links stand in the log");
  if (config.emailProvider === "console") return skip("EMAIL_PROVIDER is console: mails stand in the log");
  try {
    await verifyMail(config);
    return ok(`${config.smtpHost ?? config.emailProvider} lets the server in`);
  } catch (error) {
    if (!(error instanceof MailError)) throw error;
    return fail(
      error.message,
      "Correct the settings SMTP_*; until then nobody gets a mail to reset a password.",
    );
  }
}
