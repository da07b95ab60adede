import { type Command, Option } from "commander";
import { jobStates } from "../../src/jobs/job.ts";
import { cancelJob, retryJob } from "./change.ts";
import { listJobs } from "./list.ts";

const state = new Option("--state <state>", "only those in this state").choices(jobStates);

/** Adds the commands below `trailglass jobs`. */
export function addJobsCommands(group: Command): void {
  group
    .command("list")
    .description("list what waits, runs or was given up, the newest first")
    .addOption(state)
    .option("--all", "also what is done or was cancelled within the last week")
    .option("--json", "as JSON")
    .action((_options, command) => listJobs(command.optsWithGlobals()));
  group
    .command("retry <id>")
    .description("have a job that was given up, cancelled or waits done now")
    .action((id, _options, command) => retryJob(id, command.optsWithGlobals()));
  group
    .command("cancel <id>")
    .description("have a job not done; one that runs is broken off within ten seconds")
    .action((id, _options, command) => cancelJob(id, command.optsWithGlobals()));
}
