/**
 * Tables as RFC 4180 has them, for people with spreadsheets. The byte order mark in front is for Excel, which takes
 * everything without one for the code page of its country; others know to skip it.
 */
export const byteOrderMark = "\ufeff";

/** What a column holds. Only text can be taken for a formula: a number below zero, a `value`, is to stay a number. */
export type CellType = "text" | "value" | "list";

/** How several values stand in one cell. */
const between = "; ";

/**
 * Signs at which spreadsheets begin to calculate, and those that they skip to get there; Japanese ones take the wide forms
 * as well. Source: OWASP, CSV Injection.
 */
const formulaStart = /^[=+\-@\t\r\n＝＋－＠]/;

const quote = (text: string) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/** A value as it stands in a cell; null and undefined are empty. */
export function toCell(value: unknown, type: CellType): string {
  if (value === null || value === undefined) return "";
  if (type === "value") return String(value);
  const text = type === "list" ? (value as unknown[]).join(between) : String(value);
  return quote(formulaStart.test(text) ? `'${text}` : text);
}

/** One line. */
export const toLine = (cells: readonly string[]): string => `${cells.join(",")}\r\n`;
