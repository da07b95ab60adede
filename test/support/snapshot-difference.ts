import type { Kind } from "./phone-content.ts";
import type { Snapshot } from "./phone-store.ts";

/** What differs between two phones, one line per entity; empty when they hold the same. */
export function differences(mine: Snapshot, theirs: Snapshot): string[] {
  const found: string[] = [];
  for (const kind of Object.keys(mine) as (Kind | "settings")[]) {
    if (kind === "settings") {
      if (!Bun.deepEquals(mine.settings, theirs.settings))
        found.push(line("settings", mine.settings, theirs.settings));
      continue;
    }
    const ids = new Set([...Object.keys(mine[kind]), ...Object.keys(theirs[kind] ?? {})]);
    for (const id of ids) {
      const [one, other] = [mine[kind][id], theirs[kind]?.[id]];
      if (!Bun.deepEquals(one, other)) found.push(line(`${kind}/${id}`, one, other));
    }
  }
  return found;
}

function line(what: string, one: unknown, other: unknown): string {
  return `${what}: ${JSON.stringify(one) ?? "absent"} against ${JSON.stringify(other) ?? "absent"}`;
}
