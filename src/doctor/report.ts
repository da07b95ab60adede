import { program } from "../version.ts";
import { type Finding, type Verdict, worstOf } from "./finding.ts";

/** What `trailglass doctor --json` prints. Fields may be added; none goes. */
export interface Report {
  readonly version: string;
  /** ISO instant, UTC. */
  readonly at: string;
  /** The gravest status of all findings. */
  readonly status: Verdict["status"];
  readonly findings: readonly Finding[];
}

/** The findings as a report, free of what the redactor knows. */
export function reportOf(findings: readonly Finding[], redact: (text: string) => string): Report {
  const told = findings.map(({ name, status, detail, mend }) => ({
    name,
    status,
    detail: redact(detail),
    mend: mend === null ? null : redact(mend),
  }));
  return {
    version: program.version,
    at: new Date().toISOString(),
    status: worstOf(told),
    findings: told,
  };
}
