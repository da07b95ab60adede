import { findAccount } from "./find-account.ts";
import { type PasswordOptions, readNewPassword } from "./password-source.ts";
import { type GlobalOptions, withContext } from "./with-context.ts";

/** `trailglass reset-password <email>`: sets a new password and signs every device of the account out. */
export async function resetPassword(email: string, options: GlobalOptions & PasswordOptions): Promise<void> {
  const password = await readNewPassword(options);
  const user = await withContext(options, async (context) => {
    const found = await findAccount(context, email);
    await context.accounts.overridePassword(found, password);
    return found;
  });
  console.log(`Changed the password of ${user.email}; its devices have to sign in again.`);
  if (options.generate) console.log(`Password: ${password}`);
}
