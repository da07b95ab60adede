import { z } from "zod";
import type { Chapter } from "../api/operation.ts";
import { firstPage, ids, later, morning, noon, stamp } from "../api/story.ts";
import { id, instant, named, pagination, stamped } from "../api/vocabulary.ts";
import { common } from "../sync/change.ts";
import { changeOne, createOne, entityChange, newEntity, readOne, removeOne } from "./resource-description.ts";
import { trip } from "./trip.ts";
import { listQuery } from "./trip-routes.ts";

export const tripAnswer = named(
  "Trip",
  z.strictObject({
    id,
    name: z.string(),
    startDate: instant,
    endDate: instant,
    placeVisits: z.array(id),
    photos: z.array(id),
    notes: z.string().nullable(),
    totalDistance: z.number().min(0).nullable().describe("Metres."),
    countries: z.array(z.string()),
    createdBy: z.string().nullable(),
    ...stamped,
  }),
  "A journey: a name for a span of time, with the visits and photos that belong to it.",
);

/** A trip as a phone sends it. */
export const tripChange = named("TripChange", z.object({ ...common.shape, ...trip.schema.shape }));

const lisbon = {
  name: "Lisbon",
  startDate: morning,
  endDate: later,
  placeVisits: [ids.placeVisit],
  photos: [],
  notes: "Our first time there.",
  totalDistance: 5400.5,
  countries: ["PT"],
};
export const exampleTrip = { id: ids.trip, ...lisbon, createdBy: null, ...stamp(4) };

export const tripChapter: Chapter = {
  tag: "Trips",
  description: "Journeys. Deleting one keeps its visits and photos.",
  operations: {
    listTrips: {
      summary: "Trips that overlap a range of dates, newest first",
      access: "account",
      query: listQuery,
      asked: { startDate: "2025-11-01", endDate: "2025-11-30" },
      answers: {
        200: {
          description: "A page.",
          schema: named("Trips", z.strictObject({ trips: z.array(tripAnswer), pagination })),
          examples: { month: { trips: [exampleTrip], pagination: firstPage(50) } },
        },
      },
    },
    createTrip: createOne("Adds a trip", newEntity("NewTrip", trip), {
      id: ids.trip,
      value: { id: ids.trip, ...lisbon, lastModified: noon },
      version: 4,
    }),
    readTrip: readOne("A trip", tripAnswer, { id: ids.trip, value: exampleTrip }),
    changeTrip: changeOne("Changes a trip", entityChange("TripPatch", trip), {
      id: ids.trip,
      value: { notes: "With the whole family.", lastModified: noon, expectedVersion: 4 },
      version: 6,
    }),
    removeTrip: removeOne("Deletes a trip", ids.trip),
  },
};
