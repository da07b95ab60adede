import type { Kind } from "./phone-content.ts";
import type { Snapshot } from "./phone-store.ts";

/** What differs between two phones, one line per entity; empty when they hold the same. */
export function differences(mine: Snapshot, theirs: Snapshot): string[] {
  const found: string[] = [];
  for (const kind of Object.keys(mine) as (Kind | "settings")[]) {
    if (kind === "settings") {
      if (!Bun.deepEquals(mine.settings, theirs.settings))
        found.push(told(kind, mine.settings, theirs.settings));
      continue;
    }
    const ids = new Set([...Object.keys(mine[kind]), ...Object.keys(theirs[kind] ?? {})]);
    for (const id of ids) {
      const [one, other] = [mine[kind][id], theirs[kind]?.[id]];
      if (!Bun.deepEquals(one, other)) found.push(told(`${kind}/${id}`, one, other));
    }
  }
  return found;
}

/** The first few of many differences, and how many more there are. */
export function firstOf(found: string[], most = 8): string[] {
  return found.length <= most ? found : [...found.slice(0, most), `and ${found.length - most} more`];
}

function told(what: string, one: unknown, other: unknown): string {
  if (!one || !other) return `${what}: ${one ? "held" : "absent"} against ${other ? "held" : "absent"}`;
  const [mine, theirs] = [one, other] as Record<string, unknown>[];
  const names = Object.keys({ ...mine, ...theirs }).filter(
    (name) => !Bun.deepEquals(mine?.[name], theirs?.[name]),
  );
  const fields = names.map(
    (name) => `${name} ${JSON.stringify(mine?.[name])} against ${JSON.stringify(theirs?.[name])}`,
  );
  return `${what}: ${fields.join(", ")}`;
}
