import { z } from "zod";
import { invalid } from "../errors.ts";
import { plainText } from "../http/text-schema.ts";
import { commonPasswords } from "./common-passwords.ts";

const shortest = 8;
const longest = 256;

/**
 * One spelling for what looks the same: another keyboard may compose `é` in another way.
 * Source: RFC 8265, section 4.2 (OpaqueString: normalisation form C, case kept).
 */
const normalise = (password: string) => password.normalize("NFC");

const onlyOneCharacter = (password: string) => new Set(password).size === 1;
const isGuessedFirst = (password: string) =>
  commonPasswords.has(password.toLowerCase()) || onlyOneCharacter(password);

/** A password that is being chosen. Each code point counts as one character, after NIST SP 800-63B-4, section 3.1.1.2. */
export const newPassword = plainText(0, 4 * longest)
  .transform(normalise)
  .pipe(plainText(shortest, longest))
  .refine((password) => !isGuessedFirst(password), "is among the first that attackers try; choose another")
  .register(z.globalRegistry, { minLength: shortest, maxLength: longest });

/** A password that is being checked: what no account can have is merely wrong. */
export const givenPassword = plainText(0, 4 * longest).transform(normalise);

/**
 * Refuses a password that follows from the account's email.
 * @param field path of the password in the request
 * @throws 400
 */
export function requireUnlikeEmail(password: string, email: string, field: string): void {
  const lower = password.toLowerCase();
  const [localPart] = email.toLowerCase().split("@");
  if (lower !== email.toLowerCase() && lower !== localPart) return;
  throw invalid({ [field]: "must not be the email address or its first part" });
}
