import { doublePrecision, jsonb, pgTable, text as textColumn } from "drizzle-orm/pg-core";
import { z } from "zod";
import { decideVersioned } from "../sync/decide.ts";
import type { Content, Entity } from "../sync/entity.ts";
import { shownList, standingLinks } from "../sync/links-sql.ts";
import { idList, instant, maybe, number, text } from "../sync/schemas.ts";
import { instantColumn, syncColumns } from "../sync/sync-columns.ts";

export const trips = pgTable("trips", {
  ...syncColumns(),
  name: textColumn("name"),
  startDate: instantColumn("start_date"),
  endDate: instantColumn("end_date"),
  notes: textColumn("notes"),
  totalDistance: doublePrecision("total_distance"),
  countries: jsonb("countries"),
  createdBy: textColumn("created_by"),
});

const linkKeys = {
  placeVisits: { relation: "tripMembers", memberKind: "placeVisits", side: "owner" },
  photos: { relation: "tripMembers", memberKind: "photos", side: "owner" },
} as const;

function contradiction({ startDate, endDate }: Content): string | null {
  return String(endDate) < String(startDate) ? "endDate: is before startDate" : null;
}

/** A journey: a name for a span of time, with the visits and photos that belong to it. `totalDistance` in metres. */
export const trip: Entity = {
  kind: "trips",
  type: "TRIP",
  table: trips,
  schema: z.object({
    name: text(500),
    startDate: instant,
    endDate: instant,
    placeVisits: idList,
    photos: idList,
    notes: maybe(text(20_000)),
    totalDistance: maybe(number(0)),
    countries: maybe(z.array(text(100)).max(300, "has more than 300 entries")).transform(
      (list) => list ?? [],
    ),
    createdBy: maybe(text(128)),
  }),
  fields: {
    name: trips.name,
    startDate: trips.startDate,
    endDate: trips.endDate,
    placeVisits: shownList(linkKeys.placeVisits),
    photos: shownList(linkKeys.photos),
    notes: trips.notes,
    totalDistance: trips.totalDistance,
    countries: trips.countries,
    createdBy: trips.createdBy,
  },
  unknownToPhones: ["placeVisits", "photos"],
  linkKeys,
  linksSql: standingLinks(linkKeys),
  contradiction,
  decide: decideVersioned,
};
