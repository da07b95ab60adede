import type { Context } from "../../src/context.ts";
import { cancel, findJobs, retryNow } from "../../src/jobs/queue.ts";
import { CommandError, type GlobalOptions, withContext } from "../with-context.ts";

/** The one job whose id begins like this. @throws CommandError when there is none, or more than one */
async function findJob({ db }: Pick<Context, "db">, start: string): Promise<string> {
  const found = /^[0-9a-f-]{4,36}$/i.test(start) ? await findJobs(db, start) : [];
  if (found.length > 1)
    throw new CommandError(`More than one job begins with ${start}: give more of its id.`);
  if (found[0] === undefined)
    throw new CommandError(`There is no job ${start}. "trailglass jobs list --all" shows their ids.`);
  return found[0];
}

/** `trailglass jobs retry`. */
export async function retryJob(start: string, options: GlobalOptions): Promise<void> {
  await withContext(options, async (context) => {
    const id = await findJob(context, start);
    if (!(await retryNow(context.db, id))) throw new CommandError("It runs just now, or is done.");
    console.log(`${id.slice(0, 8)} is done next, by the running server.`);
  });
}

/** `trailglass jobs cancel`. */
export async function cancelJob(start: string, options: GlobalOptions): Promise<void> {
  await withContext(options, async (context) => {
    const id = await findJob(context, start);
    if (!(await context.db.transaction((tx) => cancel(tx, context.work, id))))
      throw new CommandError("It has ended already.");
    console.log(`${id.slice(0, 8)} is cancelled.`);
  });
}
