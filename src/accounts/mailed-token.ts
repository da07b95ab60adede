import { createHmac } from "node:crypto";
import type { Transaction } from "../database/client.ts";
import { holdSecret } from "../storage/server-secret.ts";
import { hashToken, type SecretToken } from "./secret-token.ts";

/** Name of the secret from which the tokens of mails are derived. */
export const mailedTokensSecret = "mailed-tokens";

/**
 * The token that a mail brings, derived from the mail's job. So it stands neither in the job nor anywhere else, and a mail
 * that is sent a second time is the same. It can be guessed no better than random bytes, as long as the secret is one.
 */
export async function mailedToken(tx: Transaction, jobId: string): Promise<SecretToken> {
  const secret = await holdSecret(tx, mailedTokensSecret);
  const token = createHmac("sha256", secret).update(jobId).digest("base64url");
  return { token, hash: hashToken(token) };
}
