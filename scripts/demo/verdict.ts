import type { Phone } from "../../test/support/phone.ts";
import { differences } from "../../test/support/snapshot-difference.ts";
import { untilRead } from "./story.ts";

const MOST_ROUNDS = 10;

/** The phones sync until they hold the same, or it is plain that they never will. */
export async function settle(one: Phone, other: Phone): Promise<void> {
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const equal = compare(one, other).length === 0;
    if (equal && !one.store.hasPending() && !other.store.hasPending()) return;
    await untilRead(one);
    await untilRead(other);
  }
}

/** What one phone shows otherwise than another, as far as the app that knows less can tell. */
export function compare(one: Phone, other: Phone): string[] {
  const view = one.view === "new" && other.view === "new" ? "new" : "today";
  return differences(one.snapshot(view), other.snapshot(view));
}

const HEADINGS = ["phone", "sent", "accepted", "rejected", "conflicts", "retries", "points", "converged"];

/** The closing table; `retries` are requests that were repeated because no answer came. */
export function table(phones: Phone[], converged: boolean): string {
  const rows = phones.map((phone) => [
    phone.name,
    ...[phone.counters.sent, phone.counters.accepted, phone.counters.rejected].map(String),
    ...[phone.counters.conflicts, phone.transport.lostAnswers, phone.ids("locations").length].map(String),
    converged ? "yes" : "no",
  ]);
  const widths = HEADINGS.map((heading, i) =>
    Math.max(heading.length, ...rows.map((row) => row[i]?.length ?? 0)),
  );
  const line = (cells: string[]) =>
    cells
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join("  ");
  return [line(HEADINGS), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n");
}
