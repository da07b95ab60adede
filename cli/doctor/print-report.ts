import type { Verdict } from "../../src/doctor/finding.ts";
import type { Report } from "../../src/doctor/report.ts";

/** Markers on a terminal: a sign, and the number of its colour. */
const signs: Record<Verdict["status"], readonly [string, number]> = {
  ok: ["✓", 32],
  warn: ["!", 33],
  fail: ["✗", 31],
  skip: ["-", 90],
};

function marker(status: Verdict["status"], isTerminal: boolean): string {
  const [sign, colour] = signs[status];
  if (!isTerminal) return status.padEnd(4);
  return process.env.NO_COLOR ? sign : `\x1b[${colour}m${sign}\x1b[0m`;
}

/** Control characters of whoever wrote an answer that is quoted have no business on a terminal. */
const plain = (text: string) => text.replace(/\p{Cc}+/gu, " ");
const ascii = (text: string) => text.replace(/[^\x20-\x7e]/g, "?");

/** Breaks a text between words, as wide as the terminal is. @param indent columns before each line */
function wrap(text: string, indent: number): string {
  const width = Math.max(40, (process.stdout.columns ?? Number.POSITIVE_INFINITY) - indent);
  const lines = [""];
  for (const word of text.split(" ")) {
    const last = lines.at(-1) ?? "";
    if (last !== "" && last.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = last === "" ? word : `${last} ${word}`;
  }
  return lines.join(`\n${" ".repeat(indent)}`);
}

/** The report, a line each finding, and beneath what to do; plain ASCII where no terminal reads it. */
export function printReport({ findings }: Report): void {
  const isTerminal = process.stdout.isTTY === true;
  const clean = (text: string) => (isTerminal ? plain(text) : ascii(plain(text)));
  const width = Math.max(...findings.map(({ name }) => name.length));
  const [arrow, margin] = isTerminal ? ["→", 3] : ["->", 6];
  for (const { name, status, detail, mend } of findings) {
    const told = wrap(clean(detail), margin + width + 2);
    console.log(`${marker(status, isTerminal)}  ${name.padEnd(width)}  ${told}`);
    const indent = margin + arrow.length + 3;
    if (mend !== null) console.log(`${" ".repeat(margin + 2)}${arrow} ${wrap(clean(mend), indent)}`);
  }
}
