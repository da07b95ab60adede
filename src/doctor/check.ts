import { BackupError } from "../backup/error.ts";
import type { Config, Environment } from "../config/config.ts";
import { EmbeddedPostgresError } from "../database/embedded/error.ts";
import { SchemaError } from "../database/migrator.ts";
import { DatabaseUnavailableError } from "../database/open.ts";
import { AppError } from "../errors.ts";
import type { DoctorDatabase } from "./doctor-database.ts";
import { type Finding, fail, skip, type Verdict } from "./finding.ts";

/** What checks look at. */
export interface DoctorParts {
  readonly config: Config;
  readonly settings: SettingsInForce;
  readonly database: DoctorDatabase;
  /** Whether a large body may be sent through PUBLIC_URL. */
  readonly bodyTest: boolean;
}

/** Where the configuration came from. */
export interface SettingsInForce {
  /** Path of the env file; null where there is none. */
  readonly file: string | null;
  readonly environment: Environment;
}

/** One thing to look after. */
export interface Check {
  readonly name: string;
  readonly look: (parts: DoctorParts) => Promise<Verdict>;
  /** Seconds after which the look is given up; 10 when not given. */
  readonly seconds?: number;
}

const patience = 10;

/** Errors whose messages are written for administrators; others may quote what nobody should read. */
const foreseen = [AppError, BackupError, DatabaseUnavailableError, EmbeddedPostgresError, SchemaError];

/** What may be said about an error. */
export function explain(error: unknown): string {
  if (foreseen.some((type) => error instanceof type)) return (error as Error).message;
  const { name = "Error", code, cause } = (error ?? {}) as { name?: string; code?: unknown; cause?: unknown };
  const reason = code ?? (cause as { code?: unknown } | undefined)?.code;
  return typeof reason === "string" ? reason : name;
}

async function verdictOf({ name, look, seconds = patience }: Check, parts: DoctorParts): Promise<Verdict> {
  const timer = Promise.withResolvers<Verdict>();
  const mend = "Look at the server's log, and at the load of the machine and of the network.";
  const late = () => timer.resolve(fail(`no answer within ${seconds} seconds`, mend));
  const timeout = setTimeout(late, seconds * 1000);
  try {
    return await Promise.race([look(parts), timer.promise]);
  } catch (error) {
    return fail(explain(error), `The check "${name}" could not be made. ${mend}`);
  } finally {
    clearTimeout(timeout);
  }
}

/** Makes all checks at once. None can hold up or break another: what throws or hangs is a finding of its own. */
export async function runChecks(checks: readonly Check[], parts: DoctorParts): Promise<Finding[]> {
  return Promise.all(checks.map(async (check) => ({ name: check.name, ...(await verdictOf(check, parts)) })));
}

/** The findings of checks that cannot be made. */
export function skipAll(checks: readonly Check[], why: string): Finding[] {
  return checks.map(({ name }) => ({ name, ...skip(why) }));
}
