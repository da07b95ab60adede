/** The part of a pino logger that the embedded Postgres writes to. */
export interface EmbeddedLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** `log_line_prefix`: process id, SQLSTATE and kind of process, so that a line can be judged without its text. */
export const LOG_LINE_PREFIX = "%p/%e/%b/ ";

const LINE = /^(\d+)\/(\w{5})\/([^/]*)\/ ([A-Z]+\d?): +(.*)$/;

/** Resources, operator, system and internal errors: their texts name files and limits, never values of ours. */
const HARMLESS_CLASS = /^(53|57|58|F0|XX)/;

/** Ends of a single connection that happen in daily life: shutdown, not ready yet, client gone, idle too long. */
const ORDINARY_END = /^(57P|08|25P0)/;

/** `LOG` lines that somebody should see although Postgres ranks them as routine. */
const NOTEWORTHY = /terminated by signal|not properly shut down|reinitializing|pre-existing shared memory/;

type Level = keyof EmbeddedLog;

function levelOf(severity: string, text: string): Level {
  if (severity === "PANIC" || severity === "FATAL" || severity === "ERROR") return "error";
  if (severity === "WARNING") return "warn";
  return NOTEWORTHY.test(text) ? "warn" : "debug";
}

/**
 * Sorts what Postgres writes to stderr into our log.
 *
 * The text of a failed statement's error can quote what somebody typed (`invalid input syntax for type uuid: "..."`), and
 * the caller has it anyway: of those only the SQLSTATE is logged, as debug.
 */
export class PostgresLogSink {
  #continuing = false;
  #lastComplaint = "";

  constructor(private readonly log: EmbeddedLog) {}

  /** The last fatal or unstructured line: the reason when Postgres did not come up. */
  get lastComplaint(): string {
    return this.#lastComplaint;
  }

  /** Takes one line without its newline. */
  write(line: string): void {
    const parts = LINE.exec(line);
    if (parts) this.#entry(parts[1] ?? "", parts[2] ?? "", parts[3] ?? "", parts[4] ?? "", parts[5] ?? "");
    else if (!this.#isContinuation(line)) this.#unstructured(line);
  }

  #entry(pid: string, sqlstate: string, process: string, severity: string, text: string): void {
    this.#continuing = true;
    const fields = { postgres: { pid: Number(pid), process, severity, sqlstate } };
    if (severity === "ERROR" && !HARMLESS_CLASS.test(sqlstate) && /client|parallel/.test(process)) {
      this.log.debug(fields, "a statement failed");
      return;
    }
    const connectionEnded = severity === "FATAL" && ORDINARY_END.test(sqlstate);
    if (!connectionEnded && /FATAL|PANIC/.test(severity)) this.#lastComplaint = text;
    this.log[connectionEnded ? "debug" : levelOf(severity, text)](fields, text);
  }

  // Further lines of a message begin with a tab; they may belong to a text that was held back.
  #isContinuation(line: string): boolean {
    return line.trim() === "" || (this.#continuing && line.startsWith("\t"));
  }

  #unstructured(line: string): void {
    this.#continuing = false;
    this.#lastComplaint = line;
    this.log.warn({}, `postgres: ${line}`);
  }
}
