import { date as dateColumn, pgTable, text as textColumn } from "drizzle-orm/pg-core";
import { z } from "zod";
import { decideLastWriter } from "../sync/decide.ts";
import type { Entity } from "../sync/entity.ts";
import { readInstant } from "../sync/instant.ts";
import { entityId, maybe, text } from "../sync/schemas.ts";
import { syncColumns } from "../sync/sync-columns.ts";

export const tripDays = pgTable("trip_days", {
  ...syncColumns(),
  tripId: textColumn("trip_id"),
  date: dateColumn("date"),
  notes: textColumn("notes"),
});

/** A calendar date, `YYYY-MM-DD`. */
export const calendarDate = z
  .string("must be a date")
  .refine(
    (value) => /^\d{4}-\d\d-\d\d$/.test(value) && readInstant(`${value}T00:00Z`) !== null,
    "must be a date such as 2025-11-17",
  )
  .register(z.globalRegistry, { format: "date" });

/** What a person wrote about one day of a trip. */
export const tripDay: Entity = {
  kind: "tripDays",
  type: "TRIP_DAY",
  table: tripDays,
  schema: z.object({ tripId: entityId, date: calendarDate, notes: maybe(text(20_000)) }),
  fields: { tripId: tripDays.tripId, date: tripDays.date, notes: tripDays.notes },
  decide: decideLastWriter,
};
