import type { Redact } from "./redactor.ts";

/** Lines of the log that go into a bundle. */
const lines = 500;
/** Milliseconds for journalctl to find them. */
const patience = 5000;

/** Fields of a line of ours that tell of the server and not of people. All others are left out. */
const told = [
  "level",
  "time",
  "msg",
  "method",
  "status",
  "durationMs",
  "requestId",
  "code",
  "number",
  "signal",
];

/** Parts of a path that name a route; others name what somebody has. */
const routeWord = /^[a-z]{1,3}\d?$|^[a-z]+(-[a-z]+)*$/;

const routeOf = (path: string) =>
  path
    .split("/")
    .map((part) => (part === "" || routeWord.test(part) ? part : ":id"))
    .join("/");

type Fields = Record<string, unknown>;

function errorOf(error: Fields, redact: Redact): Fields {
  const { type, code, message, stack, cause } = error;
  const texts = Object.entries({ type, code, message, stack }).filter(
    ([, value]) => typeof value === "string",
  );
  return {
    ...Object.fromEntries(texts.map(([name, value]) => [name, redact(value as string)])),
    ...(cause instanceof Object && { cause: errorOf(cause as Fields, redact) }),
  };
}

function clearFields(line: Fields, redact: Redact): string {
  const kept = told
    .filter((name) => ["string", "number"].includes(typeof line[name]))
    .map((name) => [name, typeof line[name] === "string" ? redact(line[name]) : line[name]]);
  const { path, err } = line;
  return JSON.stringify({
    ...Object.fromEntries(kept),
    ...(typeof path === "string" && { path: redact(routeOf(path)) }),
    ...(err instanceof Object && { err: errorOf(err as Fields, redact) }),
  });
}

/** A line for people ends in fields that tell of them. */
const prettyFields = /^(\d\d:\d\d:\d\d\.\d{3} [A-Z]+ .*?) \w+=.*$/;

/** A line of the log, without whatever tells of people. */
export function clearLine(line: string, redact: Redact): string {
  try {
    const fields: unknown = JSON.parse(line);
    if (fields instanceof Object && !Array.isArray(fields)) return clearFields(fields as Fields, redact);
  } catch {
    // A line of systemd's, or for people.
  }
  return redact(line.replace(prettyFields, "$1"));
}

/** The last lines that the service wrote, where systemd keeps them; null where it does not. */
export async function readLogExcerpt(redact: Redact): Promise<string | null> {
  const command = ["journalctl", "-u", "trailglass", "-n", String(lines), "-o", "cat", "--no-pager", "-q"];
  try {
    const child = Bun.spawn(command, {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "ignore",
      timeout: patience,
    });
    const text = await child.stdout.text();
    if ((await child.exited) !== 0 || text.trim() === "") return null;
    const cleared = text
      .trimEnd()
      .split("\n")
      .map((line) => clearLine(line, redact));
    return `${cleared.join("\n")}\n`;
  } catch {
    return null;
  }
}
