import { isInteractive } from "../terminal.ts";

/** Tells what is done: nicely on a terminal, in plain lines elsewhere. */
export interface Reporter {
  begin(): void;
  done(text: string): void;
  warn(text: string): void;
  /** Lines under a heading. */
  note(title: string, lines: readonly string[]): void;
  /** Lines as they are, on a terminal only. */
  picture(lines: readonly string[]): void;
  end(text: string): void;
}

const plain: Reporter = {
  begin() {},
  done: (text) => console.log(text),
  warn: (text) => console.error(`Warning: ${text}`),
  note: (title, lines) => console.log([`${title}:`, ...lines.map((line) => `  ${line}`)].join("\n")),
  picture() {},
  end: (text) => console.log(text),
};

/** Breaks a line between words; what follows is indented like a list's items. @param width columns */
export function wrap(line: string, width: number): string[] {
  const lines = [""];
  for (const word of line.split(/(?<=\S) /)) {
    const last = lines.at(-1) ?? "";
    const joined = last === "" ? word : `${last} ${word}`;
    if (joined.length <= width || last === "") lines[lines.length - 1] = joined;
    else lines.push(`   ${word}`);
  }
  return lines;
}

/** Columns that a line's beginning takes. */
const margin = 4;

/** Opens the reporter that fits the place. */
export async function openReporter(): Promise<Reporter> {
  if (!isInteractive()) return plain;
  const { intro, log, outro } = await import("@clack/prompts");
  const fitted = (line: string) => wrap(line, (process.stdout.columns || 80) - margin).join("\n");
  return {
    begin: () => intro("Trailglass setup · return takes what is proposed · Ctrl-C ends it"),
    done: (text) => log.success(fitted(text), { spacing: 0 }),
    warn: (text) => log.warn(fitted(text)),
    note: (title, lines) => log.info([title, ...lines.map(fitted)].join("\n")),
    picture: (lines) => log.message([...lines], { spacing: 1 }),
    end: (text) => outro(text),
  };
}
