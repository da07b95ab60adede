import { defineJob, HopelessJob, type JobKind, type JobRun } from "../jobs/job.ts";
import { composeMail } from "./compose-mail.ts";
import { mailKind } from "./enqueue-mail.ts";
import { MailError } from "./mail-check.ts";
import { bringsToken, type Mail, mail, type Recipient, type TokenMail } from "./mails.ts";
import type { Mailer } from "./outgoing-mail.ts";

/** What only the accounts know of a mail. */
export interface MailDesk {
  /** Where a mail goes at present; null when there is nobody who could read it, or may. */
  addressOf(to: Recipient): Promise<string | null>;
  /**
   * The token of a mail, good from now on: the same at every attempt.
   * @param jobId from which it is derived
   * @returns null when nobody waits for it any longer
   */
  openToken(mail: TokenMail, jobId: string): Promise<string | null>;
}

export interface MailJobParts {
  readonly desk: MailDesk;
  readonly mailer: Mailer;
  /** As configured. */
  readonly publicUrl: string | undefined;
}

/**
 * The job that sends a mail. A mail server that is away has a day and more to come back: after seven attempts within the
 * first hour it is tried once an hour.
 */
export function mailJob(parts: MailJobParts): JobKind {
  return defineJob(mailKind, {
    payload: mail,
    atOnce: 2,
    attempts: 40,
    pause: 30,
    run: (mail, run) => sendMail(parts, mail, run),
  });
}

async function sendMail(
  { desk, mailer, publicUrl }: MailJobParts,
  mail: Mail,
  { job, signal }: JobRun,
): Promise<void> {
  const address = await desk.addressOf(mail.to);
  if (address === null) return;
  const token = bringsToken(mail) ? await desk.openToken(mail, job.id) : null;
  if (bringsToken(mail) && token === null) return;
  const composed = composeMail(mail, token, publicUrl);
  const { template } = mail;
  const outgoing = { ...composed, template, id: job.id, to: address, accountId: job.ownerId };
  signal.throwIfAborted();
  // From here on it is not broken off: once the server has all of the mail, nobody can tell whether it took it.
  await mailer.send(outgoing).catch((error) => {
    if (error instanceof MailError && error.isFinal) throw new HopelessJob(error.message, { cause: error });
    throw error;
  });
}
