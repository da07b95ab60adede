import type { Database } from "../database/client.ts";
import { enqueueMail } from "../email/enqueue-mail.ts";
import { AppError } from "../errors.ts";
import { createInvite, daysInSeconds } from "./invites.ts";
import { mailedToken } from "./mailed-token.ts";
import { findUserByEmail } from "./users.ts";

/**
 * Invites somebody, once, to make an account with their address.
 * @param days for which the invite is good; those of a mail begin when it is handed over
 * @param byMail whether a mail brings it to them
 * @returns the token
 * @throws 409 when the address has an account
 */
export async function invite(db: Database, email: string, days: number, byMail: boolean): Promise<string> {
  if (await findUserByEmail(db, email))
    throw new AppError("CONFLICT", "This email address is registered already");
  if (!byMail) return (await createInvite(db, email, daysInSeconds(days))).token;
  return db.transaction(async (tx) => {
    const id = await enqueueMail(tx, { template: "invitation", to: { address: email }, values: { days } });
    const mailed = { id, ...(await mailedToken(tx, id)) };
    return (await createInvite(tx, email, daysInSeconds(days), mailed)).token;
  });
}
