import { createHash, randomBytes } from "node:crypto";

/** A secret that is handed out once, and what is kept of it. */
export interface SecretToken {
  /** 32 random bytes in base64url. */
  readonly token: string;
  readonly hash: Uint8Array;
}

/** What is stored in place of a token. A plain hash is enough: nobody guesses 256 random bits. */
export function hashToken(token: string): Uint8Array {
  return createHash("sha256").update(token).digest();
}

/** Makes a refresh token, a reset token or an invite. */
export function newSecretToken(): SecretToken {
  const token = randomBytes(32).toString("base64url");
  return { token, hash: hashToken(token) };
}
