import { repairStorage, StrangersError } from "../src/photos/storage-repair.ts";
import { type CheckReport, checkStorage, type Finding } from "../src/storage/check.ts";
import { count, inWords, withProgress } from "./progress-bar.ts";
import { CommandError, type GlobalOptions, withContext } from "./with-context.ts";

interface StorageCheckOptions extends GlobalOptions {
  repair?: boolean;
  force?: boolean;
  json?: boolean;
}

interface Outcome {
  readonly backend: string;
  readonly report: CheckReport;
  /** The findings that are still true. */
  readonly left: readonly Finding[];
}

/** A finding on a line of its own. */
export function describe({ kind, key, email, photoIds, detail }: Finding): string {
  const photos = photoIds.length > 0 ? `  photo ${photoIds.join(", ")}` : "";
  const owner = email === null ? "" : `  ${email}${photos}`;
  return `${kind.padEnd(10)}  ${key}${owner}${detail === null ? "" : `  (${detail})`}`;
}

const kinds = ["missing", "altered", "unreadable", "orphaned"] as const;

/** `2 missing, 1 orphaned` */
function tally(findings: readonly Finding[]): string {
  const counts = kinds.map((kind) => [findings.filter((finding) => finding.kind === kind).length, kind]);
  return counts
    .filter(([number]) => number !== 0)
    .map((pair) => pair.join(" "))
    .join(", ");
}

function printText({ backend, report, left }: Outcome): void {
  const { originals, bytes, avatars, exports, seen, young, findings } = report;
  for (const finding of findings) {
    const isRepaired = !left.includes(finding);
    console.log(`${describe(finding)}${isRepaired ? "  repaired" : ""}`);
  }
  const more = exports > 0 ? [count(exports, "export")] : [];
  const counted = [count(originals, "original"), count(avatars, "avatar"), ...more];
  const books = `${counted.slice(0, -1).join(", ")} and ${counted.at(-1)} (${inWords(bytes)})`;
  console.log(`Compared ${books} in the books with ${count(seen, "object")} in the storage (${backend}).`);
  if (young > 0)
    console.log(`${count(young, "object")} in no book left alone for now: younger than an hour.`);
  if (findings.length === 0) console.log("All is well.");
  else
    console.log(
      `Found: ${tally(findings)}. Repaired: ${tally(findings.filter((f) => !left.includes(f))) || "none"}.`,
    );
}

function printJson({ backend, report, left }: Outcome): void {
  const { witness: _, findings, ...totals } = report;
  const told = findings.map((finding) => ({ ...finding, repaired: !left.includes(finding) }));
  console.log(JSON.stringify({ backend, ...totals, findings: told }, null, 2));
}

async function run(options: StorageCheckOptions): Promise<Outcome> {
  return withContext(options, async (context) => {
    const { backend } = context.storage;
    const report = await withProgress("Reading", options.json === true, (progress) =>
      checkStorage({ ...context, progress }),
    );
    const left = options.repair ? await repairStorage(context, report, options.force) : report.findings;
    return { backend, report, left };
  });
}

/**
 * `trailglass storage check`: compares the books with the storage, and repairs what can be with --repair. Exit code 1
 * when problems remain.
 */
export async function storageCheck(options: StorageCheckOptions): Promise<void> {
  const outcome = await run(options).catch((error) => {
    if (!(error instanceof StrangersError)) throw error;
    throw new CommandError(
      `${error.message}. Nothing was changed: to repair one after the other would empty it. Check STORAGE_BACKEND and its settings, DATA_DIR and DATABASE_URL; where they are right and the pictures are lost, add --force.`,
    );
  });
  if (options.json) printJson(outcome);
  else printText(outcome);
  if (outcome.left.length === 0) return;
  const advice = options.repair ? "" : ' "trailglass storage check --repair" repairs what it can.';
  throw new CommandError(`${count(outcome.left.length, "problem")} left.${advice}`);
}
