import pino from "pino";

export type Log = pino.Logger;

/**
 * Keys whose values never reach a log line, at the top of a record and one level below: what a request may
 * carry that nobody but its sender may read.
 */
const secretKeys = [
  "authorization",
  "password",
  "token",
  "accessToken",
  "refreshToken",
  "email",
  "latitude",
  "longitude",
];

/** A failed query's message repeats its parameters, and that of a data exception (class 22) a value. */
const repeatsData = (message: string, code: unknown) =>
  message.startsWith("Failed query") || /^22[0-9A-Z]{3}$/.test(String(code));

/** An error in a few words that may be kept: its message where that repeats nothing of people's data, else its code. */
export function whatWentWrong(error: unknown): string {
  if (!(error instanceof Error)) return "something unknown went wrong";
  const { code, cause } = error as { code?: unknown; cause?: unknown };
  if (!repeatsData(error.message, code)) return error.message.slice(0, 500) || error.constructor.name;
  return cause instanceof Error ? whatWentWrong(cause) : `${error.constructor.name} ${code ?? ""}`.trim();
}

/**
 * What may be said about an error: its class, code, message and stack. An error of the driver holds the
 * statement's parameters and rows, so nothing else is copied.
 */
function describeError(error: unknown): object {
  if (!(error instanceof Error)) return { type: typeof error };
  const { code, cause } = error as { code?: unknown; cause?: unknown };
  return {
    type: error.constructor.name,
    ...(typeof code === "string" && { code }),
    ...(!repeatsData(error.message, code) && { message: error.message }),
    stack: error.stack
      ?.split("\n")
      .filter((line) => line.trimStart().startsWith("at "))
      .join("\n"),
    ...(cause !== undefined && { cause: describeError(cause) }),
  };
}

export interface LogOptions {
  level: string;
  format: "json" | "pretty";
  /** Where lines go; file descriptor 1 when not given. */
  destination?: { write(line: string): void };
}

function prettyLine(line: string): string {
  const { level, time, msg, pid: _pid, hostname: _host, ...rest } = JSON.parse(line);
  const detail = Object.entries(rest).map(
    ([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`,
  );
  return `${String(time).slice(11, 23)} ${String(level).toUpperCase().padEnd(5)} ${msg ?? ""} ${detail.join(" ")}`.trimEnd();
}

/** Structured logging: one JSON object a line, or lines for people. */
export function createLog({ level, format, destination }: LogOptions): Log {
  const sink = destination ?? pino.destination({ fd: 1, sync: true });
  const target =
    format === "pretty" ? { write: (line: string) => sink.write(`${prettyLine(line)}\n`) } : sink;
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: describeError },
      redact: { paths: secretKeys.flatMap((key) => [key, `*.${key}`]), censor: "[redacted]" },
    },
    target,
  );
}
