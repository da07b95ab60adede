import type { Variable } from "./variable.ts";
import { variables } from "./variables.ts";

const escapePipes = (text: string) => text.replaceAll("|", "\\|");

function cells({ names, fallbackNote, doc }: Variable): string[] {
  return [names.map((name) => `\`${name}\``).join(", "), fallbackNote, doc].map(escapePipes);
}

/** What the documentation groups settings by: each heading with the first setting below it. */
const sections: readonly [title: string, first: keyof typeof variables][] = [
  ["How it is reached", "port"],
  ["Data and database", "dataDir"],
  ["Accounts", "jwtSecret"],
  ["Pictures", "storageBackend"],
  ["Mail", "emailEnabled"],
  ["Limits", "globalRateLimitPerMinute"],
  ["Metrics and guarded pages", "metricsEnabled"],
  ["Backups", "backupSchedule"],
  ["Log", "logLevel"],
];

function table(shown: readonly Variable[]): string {
  const rows = [["variable", "default", "meaning"], ...shown.map(cells)];
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const [head = "", ...body] = rows.map(
    (row) => `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`,
  );
  const rule = `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`;
  return [head, rule, ...body, ""].join("\n");
}

/** The tables of all settings in Markdown, as they stand in docs/ENVIRONMENT_VARIABLES.md. */
export function describeVariables(): string {
  const keys = Object.keys(variables);
  const starts = sections.map(([, first]) => keys.indexOf(first));
  const parts = sections.map(([title], index) => {
    const shown = Object.values(variables).slice(starts[index], starts[index + 1]);
    return `## ${title}\n\n${table(shown)}`;
  });
  return parts.join("\n");
}

function distance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      current.push(Math.min((previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1, substitution));
    }
    previous = current;
  }
  return previous[b.length] ?? 0;
}

/** A sentence for each set name that starts with TRAILGLASS_ and means nothing, with the nearest known name. */
export function warnUnknown(names: readonly string[]): string[] {
  const known = Object.values(variables).flatMap((variable) => [...variable.names]);
  const unknown = names.filter((name) => name.startsWith("TRAILGLASS_") && name !== "TRAILGLASS_CONFIG");
  return unknown.map((name) => {
    const bare = name.slice("TRAILGLASS_".length);
    const nearest = known.reduce((best, next) => (distance(bare, next) < distance(bare, best) ? next : best));
    return `${name} is not a setting; did you mean ${nearest}?`;
  });
}
