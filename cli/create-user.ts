import { z } from "zod";
import { displayName } from "../src/accounts/display-name.ts";
import { emailAddress } from "../src/accounts/email-address.ts";
import { parse } from "../src/http/read.ts";
import { type PasswordOptions, readNewPassword } from "./password-source.ts";
import { type GlobalOptions, withContext } from "./with-context.ts";

interface CreateUserOptions extends GlobalOptions, PasswordOptions {
  name?: string;
}

const schema = z.object({ email: emailAddress, name: displayName });

/** `trailglass create-user <email>`: makes an account, whatever REGISTRATION says. */
export async function createUser(given: string, options: CreateUserOptions): Promise<void> {
  const { email, name } = parse(schema, { email: given, name: options.name ?? given.split("@")[0] });
  const password = await readNewPassword(options);
  const user = await withContext(options, ({ registration }) =>
    registration.create({ email, displayName: name, password }),
  );
  console.log(`Created the account ${user.email} (${user.id}).`);
  if (options.generate) console.log(`Password: ${password}`);
}
