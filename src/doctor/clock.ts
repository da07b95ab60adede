import { longFor } from "../amounts.ts";
import { readServerFacts } from "../database/facts.ts";
import type { DoctorParts } from "./check.ts";
import { combine, ok, skip, type Verdict, warn } from "./finding.ts";
import { call, publicBase } from "./public-call.ts";

/**
 * Seconds by which clocks may differ. Those that are kept by NTP differ by far less than one, and a `Date` header is cut
 * to whole seconds. Harm begins later: signed links allow for a minute, S3 for 15 minutes (RequestTimeTooSkewed), and an
 * access token lives for as long.
 */
const allowed = 30;

function judgeDifference(whose: string, milliseconds: number): Verdict {
  const seconds = Math.abs(milliseconds) / 1000;
  if (seconds <= allowed) return ok(`agrees with ${whose}`);
  const side = milliseconds > 0 ? "behind" : "ahead of";
  return warn(
    `this machine's clock is ${longFor(seconds)} ${side} ${whose}`,
    "Turn time synchronisation on (timedatectl set-ntp true), on both machines.",
  );
}

async function compareWithDatabase({ database }: DoctorParts): Promise<Verdict[]> {
  // The embedded one has this machine's clock.
  if (database.db === null || database.kind !== "configured") return [];
  const before = Date.now();
  const { now } = await readServerFacts(database.db);
  return [judgeDifference("the database's", now - (before + Date.now()) / 2)];
}

async function compareWithWorld({ config }: DoctorParts): Promise<Verdict[]> {
  const base = publicBase(config);
  if (base === null) return [];
  const outcome = await call(base, "/health/live");
  const date = outcome.from === "nobody" ? null : outcome.answer.headers.get("date");
  const told = Date.parse(date ?? "");
  return Number.isNaN(told) ? [] : [judgeDifference("that of PUBLIC_URL", told - Date.now())];
}

/** The clock agrees with others'. */
export async function checkClock(parts: DoctorParts): Promise<Verdict> {
  const verdicts = [...(await compareWithDatabase(parts)), ...(await compareWithWorld(parts))];
  return verdicts.length > 0 ? combine(verdicts) : skip("no other clock to compare with");
}
