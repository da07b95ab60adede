import type { Config } from "../config/config.ts";
import type { Database } from "../database/client.ts";
import { readWithin } from "../database/read-within.ts";
import { findJobTroubles, lastAttempt, lateAfter } from "../jobs/job-facts.ts";
import type { Lookout } from "./health.ts";

/** Milliseconds that the database may take to tell of jobs. */
const patience = 1_500;

/** Whether jobs are done: `behind`, nobody begins them; `failing`, one was given up. */
export const jobsLookout = (db: Database): Lookout => ({
  async look() {
    const { waitingSeconds, failingKinds } = await readWithin(db, patience, findJobTroubles);
    if (waitingSeconds > lateAfter) return { status: "behind" };
    return { status: failingKinds > 0 ? "failing" : "ok" };
  },
});

/**
 * Whether mail goes out, as far as the last one tells. No mail server is asked: to sign in every few seconds is what
 * providers lock accounts for.
 */
export const mailLookout = (
  { emailEnabled, emailProvider }: Pick<Config, "emailEnabled" | "emailProvider">,
  db: Database,
): Lookout => ({
  async look() {
    if (!emailEnabled || emailProvider === "console") return { status: "off" };
    const outcome = await readWithin(db, patience, (tx) => lastAttempt(tx, "mail"));
    return { status: outcome === null ? "unknown" : outcome === "well" ? "ok" : "failing" };
  },
});
