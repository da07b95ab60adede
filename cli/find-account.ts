import { findUserByEmail, type User } from "../src/accounts/users.ts";
import type { Context } from "../src/context.ts";
import { CommandError } from "./with-context.ts";

/** The account with an email. @throws CommandError when there is none. */
export async function findAccount({ db }: Pick<Context, "db">, email: string): Promise<User> {
  const user = await findUserByEmail(db, email.trim());
  if (!user)
    throw new CommandError(`There is no account with the email ${email}. "trailglass list-users" shows all.`);
  return user;
}
