import { z } from "zod";
import type { Chapter } from "../api/operation.ts";
import { belem, firstPage, ids, morning, noon, phone, stamp } from "../api/story.ts";
import { count, id, instant, named, pagination, stamped, version } from "../api/vocabulary.ts";
import { common } from "../sync/change.ts";
import { location } from "./location.ts";
import { batchSchema, listQuery } from "./location-routes.ts";
import { readOne, removeOne } from "./resource-description.ts";

export const locationAnswer = named(
  "Location",
  z.strictObject({
    id,
    timestamp: instant,
    latitude: z.number().min(-90).max(90),
    longitude: z.number().min(-180).max(180),
    altitude: z.number().nullable().describe("Metres."),
    accuracy: z.number().min(0).describe("Metres."),
    speed: z.number().min(0).nullable().describe("Metres a second."),
    bearing: z.number().min(0).max(360).nullable().describe("Degrees, clockwise from north."),
    provider: z.string().max(32).describe("`GPS`, `NETWORK`, `VISIT` and others."),
    batteryLevel: z.number().min(0).max(1).nullable(),
    clientTimestamp: instant.nullable(),
    ...stamped,
  }),
  "A point of the track, which is never edited. Degrees WGS 84.",
);

/** A location as a phone sends it. */
export const locationChange = named(
  "LocationChange",
  z.object({ ...common.shape, ...location.schema.shape }),
);

const walked = {
  timestamp: noon,
  ...belem,
  altitude: null,
  accuracy: 4.5,
  speed: 1.3,
  bearing: 270,
  provider: "GPS",
  batteryLevel: null,
  clientTimestamp: null,
};
export const exampleLocation = { id: ids.location, ...walked, ...stamp(1) };

const nextCursor = z.string().nullable().describe("For `cursor`: the page behind this one, at any depth.");

export const locationChapter: Chapter = {
  tag: "Locations",
  description: "The track: points, which are facts and never in conflict.",
  operations: {
    uploadLocations: {
      summary: "Brings up to 10,000 points",
      description:
        "A point with the same id, or of the same device, instant and coordinates, is a duplicate. A bad point is rejected, and the rest is stored.",
      access: "account",
      body: {
        schema: named(
          "LocationBatch",
          batchSchema.extend({ locations: z.array(locationChange).max(10_000) }),
        ),
        examples: {
          walk: {
            deviceId: phone.deviceId,
            locations: [{ id: ids.location, ...walked, syncAction: "CREATE", serverVersion: null }],
          },
        },
      },
      answers: {
        200: {
          description: "How many of them were stored.",
          schema: named(
            "LocationBatchResult",
            z.strictObject({
              accepted: count,
              rejected: count,
              duplicates: count,
              syncVersion: version.describe("The device's cursor."),
              invalid: z.array(z.strictObject({ id: z.string(), message: z.string() })),
            }),
          ),
          examples: { walk: { accepted: 1, rejected: 0, duplicates: 0, syncVersion: 1, invalid: [] } },
        },
      },
    },
    listLocations: {
      summary: "Points, in the order of time",
      access: "account",
      query: listQuery,
      asked: { startTime: morning, minAccuracy: "50", limit: "1000" },
      answers: {
        200: {
          description: "A page.",
          schema: named(
            "Locations",
            z.strictObject({
              locations: z.array(locationAnswer),
              pagination: pagination.extend({ nextCursor }),
            }),
          ),
          examples: {
            day: { locations: [exampleLocation], pagination: { ...firstPage(1000), nextCursor: null } },
          },
        },
      },
    },
    readLocation: readOne("A point", locationAnswer, { id: ids.location, value: exampleLocation }),
    removeLocation: removeOne("Deletes a point", ids.location),
  },
};
