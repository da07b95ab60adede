import { findAccount } from "./find-account.ts";
import { isInteractive } from "./terminal.ts";
import { CommandError, type GlobalOptions, withContext } from "./with-context.ts";

interface DeleteUserOptions extends GlobalOptions {
  yes?: boolean;
}

/** Has the person type the email: nothing brings the data back. */
async function confirm(email: string): Promise<void> {
  if (!isInteractive()) {
    throw new CommandError("There is no terminal to ask. Add --yes to erase the account without a question.");
  }
  const { isCancel, text } = await import("@clack/prompts");
  const typed = await text({ message: `Type ${email} to erase it and its journal for ever` });
  if (isCancel(typed) || typed.trim().toLowerCase() !== email.trim().toLowerCase()) {
    throw new CommandError("Nothing was erased.");
  }
}

/** `trailglass delete-user <email>`: erases an account and everything it owns. */
export async function deleteUser(email: string, options: DeleteUserOptions): Promise<void> {
  if (!options.yes) await confirm(email);
  const user = await withContext(options, async (context) => {
    const found = await findAccount(context, email);
    await context.accounts.delete(found.id);
    return found;
  });
  console.log(`Erased ${user.email} and everything it owned.`);
}
