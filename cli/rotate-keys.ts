import { revokeSigningKeys, rotateSigningKeys } from "../src/accounts/key-rotation.ts";
import { isInteractive } from "./terminal.ts";
import { CommandError, type GlobalOptions, withContext } from "./with-context.ts";

interface RotateKeysOptions extends GlobalOptions {
  revokeAll?: boolean;
  yes?: boolean;
}

/** Asks before everybody is signed out. */
async function confirmRevocation(): Promise<void> {
  if (!isInteractive()) {
    throw new CommandError(
      "There is no terminal to ask. Add --yes to sign everybody out without a question.",
    );
  }
  const { confirm } = await import("@clack/prompts");
  const message = "Sign every device out, and end all links to pictures and in mails?";
  // Whoever leaves the question unanswered has not agreed either.
  if ((await confirm({ message, initialValue: false })) !== true)
    throw new CommandError("Nothing was changed.");
}

async function revokeAll(options: RotateKeysOptions): Promise<void> {
  if (!options.yes) await confirmRevocation();
  const devices = await withContext(options, ({ db, config }) => revokeSigningKeys(db, config));
  console.log(
    "A new signing key is in force, and the old ones have ended. So have links to pictures and those in mails.",
  );
  console.log(`Signed out: ${devices} ${devices === 1 ? "device" : "devices"}. Passwords are as they were.`);
}

/** `trailglass rotate-keys`: a new signing key on all running servers; with --revoke-all, the old ones end at once. */
export async function rotateKeys(options: RotateKeysOptions): Promise<void> {
  if (options.revokeAll) return revokeAll(options);
  await withContext(options, ({ db, config }) => rotateSigningKeys(db, config));
  console.log(
    "A new signing key is in force. Tokens of the old ones go on until they run out; nobody is signed out.",
  );
}
