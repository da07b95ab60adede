import { z } from "zod";
import type { Chapter } from "../api/operation.ts";
import { firstPage, ids, stamp, writtenAs } from "../api/story.ts";
import { date, id, named, pagination, stamped, written } from "../api/vocabulary.ts";
import { common } from "../sync/change.ts";
import { entityId, version } from "../sync/schemas.ts";
import { patchSchema, common as writeCommon } from "./resource.ts";
import { idInPath } from "./resource-description.ts";
import { calendarDate, tripDay } from "./trip-day.ts";

export const tripDayAnswer = named(
  "TripDay",
  z.strictObject({ id, tripId: id, date, notes: z.string().nullable(), ...stamped }),
  "What a person wrote about one day of a trip.",
);

/** A day as a phone sends it. */
export const tripDayChange = named("TripDayChange", z.object({ ...common.shape, ...tripDay.schema.shape }));

const { notes } = patchSchema(tripDay).shape;
const dayBody = named(
  "TripDayPatch",
  z.object({
    ...writeCommon.shape,
    ...(notes && { notes }),
    expectedVersion: version.nullish().describe("Missing for a day that is not there yet."),
  }),
);

const day = "2025-11-17";
export const exampleTripDay = {
  id: ids.tripDay,
  tripId: ids.trip,
  date: day,
  notes: "Custard tarts.",
  ...stamp(6),
};
const dayInPath = z.object({ id: entityId, date: calendarDate });

export const tripDayChapter: Chapter = {
  tag: "Trip days",
  description: "The days of a trip, with notes.",
  operations: {
    listTripDays: {
      summary: "The days of a trip",
      access: "account",
      path: idInPath,
      at: { id: ids.trip },
      answers: {
        200: {
          description: "All of them, by date.",
          schema: named("TripDays", z.strictObject({ days: z.array(tripDayAnswer), pagination })),
          examples: { one: { days: [exampleTripDay], pagination: firstPage(3660) } },
        },
      },
    },
    readTripDay: {
      summary: "A day of a trip",
      access: "account",
      path: dayInPath,
      at: { id: ids.trip, date: day },
      answers: {
        200: { description: "As it stands.", schema: tripDayAnswer, examples: { one: exampleTripDay } },
      },
      errors: ["VALIDATION_ERROR"],
    },
    writeTripDay: {
      summary: "Writes about a day of a trip",
      description: "Makes the day where it is not there yet.",
      access: "account",
      path: dayInPath,
      at: { id: ids.trip, date: day },
      body: { schema: dayBody, examples: { first: { notes: "Custard tarts.", expectedVersion: 0 } } },
      answers: {
        200: {
          description: "It is written.",
          schema: written,
          examples: { first: writtenAs(ids.tripDay, 6) },
        },
      },
      errors: ["VERSION_CONFLICT"],
    },
  },
};
