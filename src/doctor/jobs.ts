import { migrations } from "../../migrations/index.ts";
import { longFor } from "../amounts.ts";
import { readSchemaState } from "../database/migrator.ts";
import { findJobTroubles, type JobTroubles, lateAfter } from "../jobs/job-facts.ts";
import { withDatabase } from "./database.ts";
import { combine, ok, skip, type Verdict, warn } from "./finding.ts";

/** What to make of jobs that nobody does, and of those that could not be done. */
export function judgeJobs({ waitingSeconds, failingKinds }: JobTroubles): Verdict {
  const verdicts: Verdict[] = [];
  if (waitingSeconds > lateAfter)
    verdicts.push(
      warn(
        `one has been waiting for ${longFor(waitingSeconds)}`,
        "`trailglass serve` does them: start it, or start it anew where one has run for days.",
      ),
    );
  if (failingKinds > 0)
    verdicts.push(
      warn(
        `${failingKinds === 1 ? "a kind" : `${failingKinds} kinds`} of them could not be done`,
        "To see why: trailglass jobs list. To have one done once more: trailglass jobs retry ID",
      ),
    );
  return verdicts.length === 0 ? ok("done as they come") : combine(verdicts);
}

/** What the server does by itself is done. */
export const checkJobs = withDatabase(async (db) => {
  const isCurrent = (await readSchemaState(db, migrations)).every(({ appliedAt }) => appliedAt !== null);
  return isCurrent ? judgeJobs(await findJobTroubles(db)) : skip("needs the current schema");
});
