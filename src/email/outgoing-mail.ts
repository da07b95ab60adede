import type { RenderedMail } from "./mail-template.ts";
import type { Mail } from "./mails.ts";

/** A mail that is ready to be sent. */
export interface OutgoingMail extends RenderedMail {
  /** The same at every attempt: whoever gets it twice recognises it by that. */
  readonly id: string;
  /** An email address. */
  readonly to: string;
  /** Whose account that is; null when it is nobody's. */
  readonly accountId: string | null;
  readonly template: Mail["template"];
  /** What in it is secret: the link or the code by which its reader proves to be them. */
  readonly handOn: HandOn | null;
}

export type HandOn = { readonly link: string } | { readonly code: string };

/** Brings people their mails. */
export interface Mailer {
  /** @throws MailError, which names neither the address nor what the mail says */
  send(mail: OutgoingMail): Promise<void>;
}
