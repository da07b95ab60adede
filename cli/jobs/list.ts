import type { JobState } from "../../src/jobs/job.ts";
import { jobStates } from "../../src/jobs/job.ts";
import { type ListedJob, listJobs as readJobs } from "../../src/jobs/queue.ts";
import { type GlobalOptions, withContext } from "../with-context.ts";

interface ListOptions extends GlobalOptions {
  state?: JobState;
  all?: boolean;
  json?: boolean;
}

/** Jobs that are shown at most. */
const most = 200;

/** What somebody may have to do something about. */
const unfinished: readonly JobState[] = ["waiting", "running", "dead"];

const minute = (instant: string) => instant.slice(0, 16).replace("T", " ");

/** When it was or will be done, as its state has it. */
function when({ state, runAt, finishedAt }: ListedJob): string {
  if (finishedAt !== null) return `ended ${minute(finishedAt)}`;
  if (state === "running") return "runs";
  return Date.parse(runAt) > Date.now() ? `again at ${minute(runAt)}` : "due";
}

function line(job: ListedJob): string {
  const attempts = job.attempts > 1 ? `, ${job.attempts} attempts` : "";
  const problem = job.problem === null ? "" : `\n    ${job.problem}`;
  return `${job.id.slice(0, 8)}  ${job.kind.padEnd(16)}  ${job.state.padEnd(9)}  ${when(job)}${attempts}${problem}`;
}

/** `trailglass jobs list`. Times are in UTC. */
export async function listJobs({ state, all, json, ...options }: ListOptions): Promise<void> {
  const states = state ? [state] : all ? jobStates : unfinished;
  const jobs = await withContext(options, ({ db }) => readJobs(db, states, most));
  if (json) return console.log(JSON.stringify(jobs, null, 2));
  if (jobs.length === 0) console.log("There are none.");
  for (const job of jobs) console.log(line(job));
  if (jobs.length === most) console.log(`Only the newest ${most} are shown.`);
}
