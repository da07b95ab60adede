import { migrations } from "../../migrations/index.ts";
import type { Database } from "../database/client.ts";
import { readServerFacts } from "../database/facts.ts";
import { readSchemaState } from "../database/migrator.ts";
import { readNeglectedConflicts } from "../sync/neglected-conflicts.ts";
import { type DoctorParts, explain } from "./check.ts";
import type { DoctorDatabase } from "./doctor-database.ts";
import { fail, ok, skip, type Verdict, warn } from "./finding.ts";

/** How the doctor came to the database. */
const manners: Record<DoctorDatabase["kind"], string> = {
  configured: "the configured one",
  joined: "embedded, run by the server beside",
  started: "embedded, started for this check: the server is not running",
  absent: "embedded, not there yet",
};

/** Milliseconds above which a phone's sync, of some twenty statements, takes seconds for the database alone. */
const slow = 100;

/** A look at the database that is skipped where there is none to look at. */
export function withDatabase(look: (db: Database, parts: DoctorParts) => Promise<Verdict>) {
  return async (parts: DoctorParts): Promise<Verdict> =>
    parts.database.db ? look(parts.database.db, parts) : skip("needs the database");
}

/** It answers, fast enough. */
export async function checkDatabase({ database }: DoctorParts): Promise<Verdict> {
  if (database.kind === "absent") {
    return warn("there is no database yet", "`trailglass serve` or `trailglass setup` makes it.");
  }
  if (database.db === null) {
    const mend = "Nothing works without it. Start or correct it first.";
    return fail(`cannot be opened: ${explain(database.error)}`, mend);
  }
  await readServerFacts(database.db);
  const startedAt = performance.now();
  const { version } = await readServerFacts(database.db);
  const ms = Math.round((performance.now() - startedAt) * 10) / 10;
  const told = `Postgres ${version} (${manners[database.kind]}) answers in ${ms} ms`;
  return ms > slow
    ? warn(told, "A database this far away makes sync slow. Run it near the server.")
    : ok(told);
}

/** Every migration has run, and none that this program does not know. */
export const checkSchema = withDatabase(async (db, { config }) => {
  const state = await readSchemaState(db, migrations);
  const pending = state.filter(({ appliedAt }) => appliedAt === null);
  if (pending.length === 0) return ok(`current (${state.length} migrations)`);
  const detail = `${pending.length} of ${state.length} migrations are pending`;
  const wait = config.autoMigrate ? "The next `trailglass serve` runs them, or now: " : "Run: ";
  return warn(detail, `${wait}trailglass migrate`);
});

/** Days after which a conflict is not going to be resolved by the phone that met it. */
const neglected = 7;
/** Accounts that are told of by name. */
const named = 3;

/** Conflicts are for people to resolve. */
export const checkConflicts = withDatabase(async (db) => {
  const found = await readNeglectedConflicts(db, neglected);
  if (found.length === 0) return ok(`none has been open for more than ${neglected} days`);
  const accounts = found.slice(0, named).map(({ userId, conflicts }) => `${conflicts} in account ${userId}`);
  const more = found.length > named ? `, and more in ${found.length - named} other accounts` : "";
  return warn(
    `open for more than ${neglected} days: ${accounts.join(", ")}${more}`,
    "Their owners resolve them in the app; both sides are kept until then.",
  );
});
