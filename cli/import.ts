import { findUserByEmail, type User } from "../src/accounts/users.ts";
import type { Context } from "../src/context.ts";
import { type ImportReport, importAccount } from "../src/exports/import/import-account.ts";
import { inWords } from "../src/exports/import/problems.ts";
import { withBackupProgress } from "./backup/progress.ts";
import { count } from "./progress-bar.ts";
import { CommandError, type GlobalOptions, withContext } from "./with-context.ts";

export interface ImportOptions extends GlobalOptions {
  user: string;
  salvage?: boolean;
  json?: boolean;
}

function tellWhatIsMissing({ range, withoutPicture, leftOut, problems }: ImportReport): void {
  if (range !== null)
    console.log(
      `The file holds a part of an account only: from ${range.start ?? "the beginning"} to ${range.end ?? "the end"}.`,
    );
  if (withoutPicture > 0)
    console.log(`${count(withoutPicture, "photo")} came without a picture: the file does not have them.`);
  if (leftOut === 0) return;
  console.log(`Left out: ${leftOut}${leftOut > problems.length ? `, the first ${problems.length}` : ""}:`);
  for (const problem of problems) console.log(`  ${inWords(problem)}`);
}

function tell(report: ImportReport, email: string, json: boolean): void {
  if (json) {
    console.log(JSON.stringify({ email, ...report }));
    return;
  }
  const { exportedAt, rows, pictures } = report;
  console.log(
    `Imported into ${email}, as of ${exportedAt}: ${count(rows, "row")}, ${count(pictures, "picture")}.`,
  );
  tellWhatIsMissing(report);
  console.log("Phones of the old account may sign in: they keep what they have, and go on from there.");
}

/** The account that is imported into. @throws CommandError when there is none */
async function findReceiver({ db }: Context, email: string): Promise<User> {
  const user = await findUserByEmail(db, email);
  if (user) return user;
  throw new CommandError(
    `There is no account with the email ${email}. "trailglass create-user ${email}" makes one.`,
  );
}

/** `trailglass import`: brings the file of an export into an empty account, also beside a running server. */
export async function importFile(path: string, options: ImportOptions): Promise<void> {
  const json = options.json ?? false;
  await withContext(options, async (context) => {
    const { id: userId, email } = await findReceiver(context, options.user.trim());
    const report = await withBackupProgress(json, (progress) =>
      importAccount(context, { userId, email, path, salvage: options.salvage ?? false, progress }),
    );
    tell(report, email, json);
  });
}
