import { findAccount } from "./find-account.ts";
import { type GlobalOptions, withContext } from "./with-context.ts";

interface DisableUserOptions extends GlobalOptions {
  enable?: boolean;
}

/** `trailglass disable-user <email>`: shuts an account and signs its devices out; its data stays. --enable opens it again. */
export async function disableUser(
  email: string,
  { enable = false, ...options }: DisableUserOptions,
): Promise<void> {
  const user = await withContext(options, async (context) => {
    const found = await findAccount(context, email);
    await context.accounts.setDisabled(found.id, !enable);
    return found;
  });
  console.log(
    enable
      ? `${user.email} may sign in again.`
      : `${user.email} is disabled and signed out everywhere. --enable reverses this.`,
  );
}
