import type { NewAccount } from "../../src/accounts/registration.ts";
import { anyUserExists } from "../../src/accounts/users.ts";
import type { Context } from "../../src/context.ts";
import { AppError } from "../../src/errors.ts";
import { readStandardInput } from "../password-source.ts";
import { type GlobalOptions, withContext } from "../with-context.ts";

/** What was done, for the setup that started this process. */
export interface Prepared {
  readonly account: "made" | "there" | null;
  /** Whether anybody can sign in. */
  readonly hasAccounts: boolean;
}

/** An account of that name is one that an earlier setup made, which was broken off. */
async function makeAccount({ registration }: Context, account: NewAccount): Promise<Prepared["account"]> {
  try {
    await registration.create(account);
    return "made";
  } catch (error) {
    if (error instanceof AppError && error.code === "CONFLICT") return "there";
    throw error;
  }
}

/**
 * Brings the database up to date, tries the storage, and makes the first account. A process of its own, so that it runs
 * as the user that will run the server: what it makes belongs to that one. The account comes by standard input.
 */
export async function prepareDatabase(options: GlobalOptions): Promise<void> {
  const { account } = JSON.parse(await readStandardInput()) as { account: NewAccount | null };
  const prepared = await withContext(
    options,
    async (context): Promise<Prepared> => {
      await context.storage.probe();
      const made = account && (await makeAccount(context, account));
      return { account: made, hasAccounts: await anyUserExists(context.db) };
    },
    { schema: "migrate" },
  );
  console.log(JSON.stringify(prepared));
}
