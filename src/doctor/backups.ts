import { migrations } from "../../migrations/index.ts";
import { longFor } from "../amounts.ts";
import { type BackupStatus, readBackupStatus } from "../backup/status.ts";
import type { Database } from "../database/client.ts";
import { readSchemaState } from "../database/migrator.ts";
import type { DoctorParts } from "./check.ts";
import { backupFolder } from "./disk.ts";
import { combine, fail, ok, skip, type Verdict, warn } from "./finding.ts";

const day = 86_400;
/** Seconds after which a backup that is made every night is missing: one night may fail. */
const overdue = 2 * day;

const since = (instant: Date) => (Date.now() - instant.getTime()) / 1000;

const oneNow = "To make one now, run: trailglass backup";

/** @param age seconds that the server exists */
function judgeNone(isScheduled: boolean, age: number): Verdict {
  if (!isScheduled) return warn("there is none, and BACKUP_SCHEDULE is off", `Set it. ${oneNow}`);
  if (age < overdue) return warn("there is none yet", `The first is made by BACKUP_SCHEDULE. ${oneNow}`);
  const mend = `\`trailglass serve\` should have made some by BACKUP_SCHEDULE: look into its log. ${oneNow}`;
  return fail("there is none", mend);
}

function judgeAge(newest: Date, isScheduled: boolean): Verdict {
  const told = `the newest is ${longFor(since(newest))} old`;
  if (since(newest) <= overdue) return ok(told);
  const why = isScheduled ? "Look into the server's log for why." : "BACKUP_SCHEDULE is off: set it.";
  return warn(told, `${why} ${oneNow}`);
}

function judgeProof({ lastProven }: BackupStatus): Verdict {
  if (lastProven !== null) return ok(`last proven by a restore ${longFor(since(lastProven))} ago`);
  return warn(
    "none was ever proven by a restore",
    "Run: trailglass backup verify --rehearse (restores into a database that is thrown away)",
  );
}

function judgeWholeness({ newest }: BackupStatus): Verdict[] {
  if (newest === null || newest.complete) return [];
  return [fail("the newest is not complete", "Run: trailglass backup, and look into what it says")];
}

/** What to make of the backups that there are. @param age seconds that the server exists */
export function judgeBackups(status: BackupStatus, isScheduled: boolean, age: number): Verdict {
  const { newest } = status;
  if (newest === null) return judgeNone(isScheduled, age);
  return combine([judgeAge(newest.createdAt, isScheduled), ...judgeWholeness(status), judgeProof(status)]);
}

/** Seconds since the first migration ran; 0 where nobody can know. */
async function ageOf(db: Database | null): Promise<number> {
  if (db === null) return 0;
  const applied = (await readSchemaState(db, migrations)).flatMap(({ appliedAt }) => appliedAt ?? []);
  return applied.length === 0 ? 0 : Math.max(...applied.map((instant) => since(new Date(instant))));
}

/** There is a backup of these days, and somebody has tried to restore one. */
export async function checkBackups({ config, database }: DoctorParts): Promise<Verdict> {
  if (database.kind === "absent") return skip("there is nothing to back up yet");
  const status = await readBackupStatus(backupFolder(config));
  return judgeBackups(status, config.backupSchedule !== null, await ageOf(database.db));
}
