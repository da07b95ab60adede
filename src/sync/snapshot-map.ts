import type { Side } from "./conflicts.ts";
import type { Entity } from "./entity.ts";

/** A side of a conflict as phones can read it: text to text. Lists and objects are JSON text; nulls are left out. */
export type SnapshotMap = Record<string, string>;

const asText = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value));

/** Spells one side of a conflict for the wire: every field, `version` it is based on, and `lastModified`. */
export function snapshotMap(entity: Pick<Entity, "internal">, id: string, side: Side): SnapshotMap {
  const fields = Object.entries(side.content ?? {}).filter(
    ([key, value]) => value !== null && value !== undefined && !entity.internal?.includes(key),
  );
  return {
    id,
    ...Object.fromEntries(fields.map(([key, value]) => [key, asText(value)])),
    ...(side.deleted && { deleted: "true" }),
    version: String(side.version ?? 0),
    lastModified: side.lastModified ?? new Date().toISOString(),
  };
}
