/** What a check found, less its name. */
export interface Verdict {
  readonly status: "ok" | "warn" | "fail" | "skip";
  /** What is, in a sentence or less. Never a secret. */
  readonly detail: string;
  /** What to do about it; null where nothing has to be done. */
  readonly mend: string | null;
}

/** A line of the doctor's report. */
export interface Finding extends Verdict {
  readonly name: string;
}

export const ok = (detail: string): Verdict => ({ status: "ok", detail, mend: null });
export const warn = (detail: string, mend: string): Verdict => ({ status: "warn", detail, mend });
export const fail = (detail: string, mend: string): Verdict => ({ status: "fail", detail, mend });
export const skip = (detail: string): Verdict => ({ status: "skip", detail, mend: null });

const gravity = ["skip", "ok", "warn", "fail"] as const;

/** The gravest status of several. */
export function worstOf(verdicts: readonly Verdict[]): Verdict["status"] {
  return gravity[Math.max(0, ...verdicts.map(({ status }) => gravity.indexOf(status)))] ?? "skip";
}

/** Several verdicts on one subject as one: as bad as the worst, which are what it tells of. */
export function combine(verdicts: readonly Verdict[]): Verdict {
  const status = worstOf(verdicts);
  const told = verdicts.filter((verdict) => verdict.status === status || verdict.status === "fail");
  const among = status === "fail" || status === "warn" ? verdicts.filter(({ mend }) => mend !== null) : told;
  const mends = [...new Set(among.flatMap(({ mend }) => mend ?? []))];
  return {
    status,
    detail: among.map(({ detail }) => detail).join("; "),
    mend: mends.length > 0 ? mends.join(" ") : null,
  };
}
