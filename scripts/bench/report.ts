import { cpus, totalmem } from "node:os";
import { join } from "node:path";
import type { Figure } from "./figure.ts";

const document = join(import.meta.dir, "../../docs/benchmarks.md");
const begin = "<!-- Written by `bun run bench --write`; what stands outside of these two lines is kept. -->";
const end = "<!-- End of what is written. -->";

const heads = ["figure", "measured", "target", "ratio", ""];
const cells = ({ name, measured, target, ratio, met }: Figure) => [
  name,
  measured,
  target,
  ratio,
  met ? "OK" : "MISSED",
];

/** The commit that was measured; with a plus when the files differ from it. */
function commit(): string {
  const git = (...args: string[]) =>
    Bun.spawnSync(["git", ...args], { cwd: import.meta.dir })
      .stdout.toString()
      .trim();
  return `${git("rev-parse", "--short", "HEAD") || "unknown"}${git("status", "--porcelain", "--", "../../src", "../../cli") && "+"}`;
}

/** When, where and what: `2026-01-31, 2 cores (...), 24 GB of memory, Bun 1.4.5, commit 1234567`. */
export function circumstances(): string {
  const { length, 0: first } = cpus();
  const memory = Math.round(totalmem() / 1024 ** 3);
  const date = new Date().toISOString().slice(0, 10);
  return `${date}, ${length} cores (${first?.model ?? "unknown"}), ${memory} GB of memory, Bun ${Bun.version}, commit ${commit()}`;
}

/** The table for a terminal. */
export function table(figures: readonly Figure[]): string {
  const rows = [heads, ...figures.map(cells)];
  const widths = heads.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function markdown(figures: readonly Figure[], when: string): string {
  const rows = [heads, heads.map(() => "---"), ...figures.map(cells)];
  return `${begin}\n\nMeasured ${when}.\n\n${rows.map((row) => `| ${row.join(" | ")} |`).join("\n")}\n\n${end}`;
}

/** Puts the table into docs/benchmarks.md; the prose around it stays. */
export async function writeDocument(figures: readonly Figure[], when: string): Promise<void> {
  const file = Bun.file(document);
  const before = (await file.exists()) ? await file.text() : `# Benchmarks\n\n${begin}\n${end}\n`;
  const [from, to] = [before.indexOf(begin), before.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${document} has lost the lines between which the table stands`);
  await Bun.write(document, before.slice(0, from) + markdown(figures, when) + before.slice(to + end.length));
}
