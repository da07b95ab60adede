/** What can stand in a column. Objects and lists become JSON. */
export type Value = string | number | boolean | null | object;

const special = /[\\\t\n\r]/;
const escapes: Record<string, string> = { "\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r" };

function fieldText(value: Value): string {
  if (value === null) return "\\N";
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return special.test(text) ? text.replace(/[\\\t\n\r]/g, (character) => escapes[character] ?? "") : text;
}

/** A row as COPY reads it. Source: PostgreSQL documentation, COPY, text format. */
export function copyLine(values: readonly Value[]): string {
  let line = "";
  for (const value of values) line += `${fieldText(value)}\t`;
  return `${line.slice(0, -1)}\n`;
}
