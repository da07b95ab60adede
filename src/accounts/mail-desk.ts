import type { Database, Transaction } from "../database/client.ts";
import type { MailDesk } from "../email/mail-job.ts";
import type { Recipient, TokenMail } from "../email/mails.ts";
import { daysInSeconds, openInvite } from "./invites.ts";
import { mailedToken } from "./mailed-token.ts";
import { openResetToken } from "./reset-tokens.ts";
import { findOldestUser, findUser } from "./users.ts";

/** Knows whom mails go to, and the tokens that they bring. */
export class AccountMailDesk implements MailDesk {
  /** @param adminEmail as configured */
  constructor(
    private readonly db: Database,
    private readonly adminEmail: string | undefined,
  ) {}

  async addressOf(to: Recipient): Promise<string | null> {
    if (to === "admin") return this.adminEmail ?? (await findOldestUser(this.db))?.email ?? null;
    if ("address" in to) return to.address;
    const user = await findUser(this.db, to.ownerId);
    return user && user.disabledAt === null ? user.email : null;
  }

  openToken(mail: TokenMail, jobId: string): Promise<string | null> {
    return this.db.transaction(async (tx) => {
      const { token, hash } = await mailedToken(tx, jobId);
      return (await open(tx, mail, jobId, hash)) ? token : null;
    });
  }
}

function open(tx: Transaction, mail: TokenMail, jobId: string, hash: Uint8Array): Promise<boolean> {
  if (mail.template === "invitation") return openInvite(tx, jobId, hash, daysInSeconds(mail.values.days));
  return openResetToken(tx, mail.to.ownerId, jobId, hash);
}
