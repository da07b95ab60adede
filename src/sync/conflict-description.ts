import { z } from "zod";
import { id, instant, named, uuid } from "../api/vocabulary.ts";

export const resolution = named("Resolution", z.enum(["KEEP_LOCAL", "KEEP_REMOTE", "MERGE", "MANUAL"]));
export const conflictType = named(
  "ConflictType",
  z.enum(["CONCURRENT_MODIFICATION", "DELETION_CONFLICT", "VERSION_MISMATCH"]),
);

/** One side of a conflict. */
export const side = named(
  "ConflictSide",
  z.record(z.string(), z.string()),
  "Every field of the entity as text; lists and objects are JSON text. With `version`, the server version that this side is based on, as digits, and `lastModified`.",
);

/** A conflict as it is kept. */
export const conflict = named(
  "Conflict",
  z.strictObject({
    conflictId: uuid,
    entityType: z.enum([
      "LOCATION",
      "PLACE_VISIT",
      "TRIP",
      "PHOTO",
      "SETTINGS",
      "PHOTO_ATTACHMENT",
      "TRIP_DAY",
    ]),
    entityId: id,
    conflictType,
    localVersion: side,
    remoteVersion: side,
    suggestedResolution: resolution,
    deviceId: uuid.describe("The device that met it."),
    status: z.enum(["open", "resolved"]),
    resolution: resolution.nullable(),
    createdAt: instant.optional(),
    resolvedAt: instant.nullable().optional(),
  }),
);
