import { listUsers as readUsers, type User } from "../src/accounts/users.ts";
import { type GlobalOptions, withContext } from "./with-context.ts";

interface ListUsersOptions extends GlobalOptions {
  json?: boolean;
}

function printTable(users: readonly User[]): void {
  const width = Math.max(...users.map(({ email }) => email.length));
  for (const { email, displayName, createdAt, disabledAt } of users) {
    const state = disabledAt === null ? "" : `  disabled since ${disabledAt.slice(0, 10)}`;
    console.log(`${email.padEnd(width)}  ${createdAt.slice(0, 10)}  ${displayName}${state}`);
  }
}

/** `trailglass list-users`: every account, the oldest first. */
export async function listUsers(options: ListUsersOptions): Promise<void> {
  const users = await withContext(options, ({ db }) => readUsers(db));
  if (options.json) console.log(JSON.stringify(users, null, 2));
  else if (users.length === 0) console.log('There are no accounts yet. "trailglass create-user" makes one.');
  else printTable(users);
}
