/** What can stand in an array that is handed to Postgres. Objects become JSON text, for `jsonb[]`. */
export type ArrayItem = string | number | boolean | null | object;

const plain = /^[A-Za-z0-9._:+-]+$/;

function itemText(item: ArrayItem | undefined): string {
  if (item === null || item === undefined) return "NULL";
  if (typeof item === "number" || typeof item === "boolean") return String(item);
  const text = typeof item === "string" ? item : JSON.stringify(item);
  // "null" unquoted would be read as no value.
  if (plain.test(text) && (text.length !== 4 || text.toLowerCase() !== "null")) return text;
  return `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}

/**
 * An array in Postgres' own notation, to be bound as one text parameter and cast to `type[]`: a thousand rows
 * are a handful of parameters, and nothing is encoded twice.
 */
export function arrayLiteral(items: readonly (ArrayItem | undefined)[]): string {
  return `{${items.map(itemText).join(",")}}`;
}
