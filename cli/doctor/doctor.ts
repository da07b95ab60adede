import { resolve } from "node:path";
import { type Config, ConfigError, type ConfigSources } from "../../src/config/config.ts";
import { showSettings } from "../../src/config/show.ts";
import { collectBundle, writeBundle } from "../../src/doctor/bundle.ts";
import { runChecks, skipAll } from "../../src/doctor/check.ts";
import { checks } from "../../src/doctor/checks.ts";
import { type DoctorDatabase, openForDoctor } from "../../src/doctor/doctor-database.ts";
import { type Finding, fail } from "../../src/doctor/finding.ts";
import { createRedactor } from "../../src/doctor/redactor.ts";
import { type Report, reportOf } from "../../src/doctor/report.ts";
import { createLog } from "../../src/log.ts";
import { configFrom, findEnvFile, readSources } from "../environment.ts";
import { CommandError, type GlobalOptions } from "../with-context.ts";
import { printReport } from "./print-report.ts";
import { checkServer } from "./server-check.ts";

export interface DoctorOptions extends GlobalOptions {
  json?: boolean;
  bundle?: string;
  bodyTest?: boolean;
}

/** All that the doctor looks at: whether the server runs is asked as `healthcheck` asks it. */
const all = [...checks.slice(0, 1), { name: "server", look: checkServer }, ...checks.slice(1)];

const nothing: ConfigSources = { environment: {}, readFile: () => "", defaultDataDir: "" };

/** A configuration that is no good is a finding like others; without one nothing else can be looked at. */
function findProblems(error: unknown): Finding[] {
  if (!(error instanceof ConfigError)) throw error;
  const [first, ...others] = all;
  const mend = `Correct ${error.problems.length === 1 ? "it" : "them"}; \`trailglass config check\` tells whether all is right.`;
  return [
    { name: first?.name ?? "", ...fail(error.problems.join("; "), mend) },
    ...skipAll(others, "needs a valid configuration"),
  ];
}

const noDatabase: DoctorDatabase = { kind: "absent", db: null, error: null, close: async () => {} };

/** What was read, as far as it could be. */
function readAll(options: DoctorOptions): {
  sources: ConfigSources;
  config: Config | null;
  problems: Finding[];
} {
  let sources = nothing;
  try {
    sources = readSources(options.config);
    return { sources, config: configFrom(sources), problems: [] };
  } catch (error) {
    return { sources, config: null, problems: findProblems(error) };
  }
}

async function saveBundle(path: string, files: Record<string, string>): Promise<void> {
  try {
    await writeBundle(path, files);
  } catch (error) {
    const { code } = error as { code?: string };
    const advice = code === "EEXIST" ? "there is a file of that name; give another one" : code;
    throw new CommandError(`The bundle ${path} cannot be written: ${advice}`);
  }
}

async function examine(options: DoctorOptions): Promise<Report> {
  const { sources, config, problems } = readAll(options);
  const log = createLog({ level: "silent", format: "json", destination: { write: () => {} } });
  const database = config ? await openForDoctor(config, log) : noDatabase;
  try {
    const settings = { file: config && findEnvFile(options.config), environment: sources.environment };
    const parts = { settings, database, bodyTest: options.bodyTest !== false };
    const findings = config ? await runChecks(all, { ...parts, config }) : problems;
    const redact = createRedactor(sources);
    const report = reportOf(findings, redact);
    if (options.bundle === undefined) return report;
    const shown = showSettings(sources, process.env);
    await saveBundle(
      resolve(options.bundle),
      await collectBundle({ report, settings: shown, db: database.db, redact }),
    );
    return report;
  } finally {
    await database.close();
  }
}

/** `trailglass doctor`: looks whether all is well and says how to mend what is not. Exit code 1 when something fails. */
export async function doctor(options: DoctorOptions): Promise<void> {
  const report = await examine(options);
  if (options.json) console.log(JSON.stringify(report, null, 2));
  else printReport(report);
  if (options.bundle !== undefined)
    console.error(
      `Wrote ${options.bundle}. It holds no secrets and nothing of what people stored; read it before you send it.`,
    );
  const failed = report.findings.filter(({ status }) => status === "fail").length;
  if (failed > 0) throw new CommandError(failed === 1 ? "1 check failed." : `${failed} checks failed.`);
}
