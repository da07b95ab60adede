import { z } from "zod";
import { emailAddress } from "../src/accounts/email-address.ts";
import { invite as inviteByAddress } from "../src/accounts/invitations.ts";
import type { Config } from "../src/config/config.ts";
import { sendsMail } from "../src/email/mailer.ts";
import { pageLink } from "../src/email/page-link.ts";
import { parse } from "../src/http/read.ts";
import { type GlobalOptions, withContext } from "./with-context.ts";

interface InviteOptions extends GlobalOptions {
  days?: number;
  print?: boolean;
}

const schema = z.object({ email: emailAddress });

function wayIn({ publicUrl }: Config, token: string): string {
  if (publicUrl) return `Link: ${pageLink(publicUrl, "invite", token)}`;
  return `Code: ${token}\nPUBLIC_URL is not set, so there is no link: it is entered on the server's page /invite.`;
}

/** `trailglass invite <email>`: has a mail bring somebody the link with which they make their account, or prints it. */
export async function invite(given: string, { days = 7, print, ...options }: InviteOptions): Promise<void> {
  const { email } = parse(schema, { email: given });
  const { byMail, way } = await withContext(options, async ({ db, config }) => {
    const byMail = sendsMail(config);
    return { byMail, way: wayIn(config, await inviteByAddress(db, email, days, byMail)) };
  });
  const howLong = days === 1 ? "one day" : `${days} days`;
  if (byMail) console.log(`The running server sends ${email} an invitation, which is good for ${howLong}.`);
  else console.log(`Hand this to ${email}; it is good once, for ${howLong}.`);
  if (print || !byMail) console.log(way);
}
