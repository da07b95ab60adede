import { getTableName, type SQL, sql } from "drizzle-orm";
import type { Entity, Kind, Registry } from "../sync/entity.ts";
import type { SortKey, Source } from "./pages.ts";
import { conflictIsInRange, type ExportRange, isInRange, isPartial, memberIsInRange } from "./range.ts";
import {
  conflictJson,
  deviceJson,
  entityJson,
  envelopeJson,
  tombstoneJson,
  tripMemberJson,
} from "./row-json.ts";

/** Everything that an account is made of, beside itself. */
export const datasets = [
  "devices",
  "locations",
  "placeVisits",
  "trips",
  "tripDays",
  "photos",
  "photoAttachments",
  "settings",
  "encrypted",
  "tripMembers",
  "conflicts",
  "deleted",
] as const;
export type Dataset = (typeof datasets)[number];

/** Whose rows are read, and which of them. */
export interface Selection {
  readonly userId: string;
  readonly range: ExportRange;
}

/** Columns as `name` or `name type`; those without are text. */
const by = (...columns: readonly string[]): SortKey[] =>
  columns.map((column) => {
    const [name = "", type = "text"] = column.split(" ");
    return { sql: `t.${name}`, type };
  });

const orders: Partial<Record<Kind, SortKey[]>> = {
  placeVisits: by("arrival_time timestamptz", "id"),
  trips: by("start_date timestamptz", "id"),
  tripDays: by("date date", "id"),
  photos: by("timestamp timestamptz", "id"),
};

const isLive = sql`t.deleted_at IS NULL`;
const isDeleted = sql`t.deleted_at IS NOT NULL`;

const source = ({ userId }: Selection, table: string, json: string, where: SQL, key: SortKey[]): Source => ({
  json,
  key,
  rows: sql`FROM ${sql.raw(table)} t WHERE t.user_id = ${userId} AND ${where}`,
});

export const entityOf = (registry: Registry, kind: Kind): Entity =>
  registry.find((entity) => entity.kind === kind) as Entity;

function entities(registry: Registry, selection: Selection, kind: Kind): Source {
  const entity = entityOf(registry, kind);
  const where = sql`${isLive} AND ${isInRange(kind, selection.range)}`;
  return source(selection, getTableName(entity.table), entityJson(entity), where, orders[kind] ?? by("id"));
}

/** All envelopes are in every range: when something in them was is nobody's to know. */
function envelopes(registry: Registry, selection: Selection): Source {
  const json = envelopeJson(entityOf(registry, "locations"));
  return source(selection, "encrypted_sync_data", json, isLive, by("kind", "id"));
}

/** What is deleted has no time any more, and so is in no range. */
function tombstones(registry: Registry, selection: Selection): Source[] {
  if (isPartial(selection.range)) return [];
  const inClear = registry.map((entity) =>
    source(selection, getTableName(entity.table), tombstoneJson(entity, false), isDeleted, by("id")),
  );
  const json = tombstoneJson(entityOf(registry, "locations"), true);
  return [...inClear, source(selection, "encrypted_sync_data", json, isDeleted, by("kind", "id"))];
}

/** Where the rows of a dataset come from, one source after the other. Points are read in a way of their own. */
export function sourcesOf(
  registry: Registry,
  selection: Selection,
  dataset: Exclude<Dataset, "locations">,
): Source[] {
  const { range } = selection;
  const rows = (table: string, json: string, where: SQL, ...key: string[]) => [
    source(selection, table, json, where, by(...key)),
  ];
  if (dataset === "devices")
    return rows("devices", deviceJson, sql`true`, "registered_at timestamptz", "device_id uuid");
  if (dataset === "tripMembers")
    return rows(
      "trip_members",
      tripMemberJson,
      memberIsInRange(range),
      "trip_id",
      "member_kind",
      "member_id",
    );
  if (dataset === "conflicts")
    return rows(
      "sync_conflicts",
      conflictJson,
      conflictIsInRange(range),
      "created_at timestamptz",
      "id uuid",
    );
  if (dataset === "encrypted") return [envelopes(registry, selection)];
  if (dataset === "deleted") return tombstones(registry, selection);
  return [entities(registry, selection, dataset)];
}
