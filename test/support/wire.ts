import { z } from "zod";
import { ENTITIES, envelope, instant, settings, version } from "./wire-entities.ts";

/*
 * The phone's parser: every key it cannot do without is required here, unknown keys are ignored, integers and
 * enums are as strict as the shipped apps are. An answer that fails here would break a phone in the field.
 */

const count = z.int().nonnegative();
const textMap = z.record(z.string(), z.string());
const idList = z.array(z.string());
const newList = idList.default([]);

export const registered = z.object({
  userId: z.string(),
  email: z.string(),
  displayName: z.string(),
  accessToken: z.string(),
  refreshToken: z.string(),
  expiresIn: z.int().positive(),
  createdAt: instant,
});

export const loggedIn = registered
  .omit({ createdAt: true })
  .extend({ lastSyncTimestamp: instant.nullable() });

export const refreshed = z.object({
  accessToken: z.string(),
  refreshToken: z.string(),
  expiresIn: z.int().positive(),
});

export const failure = z.object({
  error: z.string(),
  message: z.string(),
  details: textMap.nullish(),
  timestamp: instant,
  requestId: z.string().nullish(),
  currentVersion: version.optional(),
  expectedVersion: version.optional(),
});

export const batchAnswer = z.object({
  accepted: count,
  rejected: count,
  duplicates: count,
  syncVersion: version,
});

export const uploaded = z.object({
  id: z.string(),
  url: z.url(),
  thumbnailUrl: z.url(),
  serverVersion: version,
  syncTimestamp: instant,
});

export const syncStatus = z.object({
  userId: z.string(),
  lastSyncTimestamp: instant,
  syncVersion: version,
  latestVersion: version.optional(),
  deviceSyncInfo: z.array(
    z.object({ deviceId: z.string(), deviceName: z.string(), lastSyncAt: instant, syncVersion: version }),
  ),
  pendingChanges: z.object({ locations: count, placeVisits: count, trips: count, photos: count }),
});

export const resolved = z.object({
  success: z.boolean(),
  syncVersion: version,
  acceptedEntity: z.object({ id: z.string(), serverVersion: version, syncTimestamp: instant }),
});

/** One side of a conflict: every field as text, `version` as digits. */
export const conflictSide = textMap.refine(
  (side) => side.version === undefined || /^\d*$/.test(side.version),
  "a version that is no digits",
);

const conflict = z.object({
  entityType: z.enum(["LOCATION", "PLACE_VISIT", "TRIP", "PHOTO", "SETTINGS"]),
  entityId: z.string(),
  conflictType: z.enum(["CONCURRENT_MODIFICATION", "DELETION_CONFLICT", "VERSION_MISMATCH"]),
  localVersion: conflictSide,
  remoteVersion: conflictSide,
  suggestedResolution: z.enum(["KEEP_LOCAL", "KEEP_REMOTE", "MERGE", "MANUAL"]),
  conflictId: z.string().nullish(),
});
export type WireConflict = z.infer<typeof conflict>;

/** GET /sync/conflicts: the contract names no keys of an item, so only what the phone's checks need is asked for. */
export const keptConflicts = z.object({
  conflicts: z.array(
    z.looseObject({
      conflictId: z.string(),
      entityId: z.string(),
      localVersion: textMap,
      remoteVersion: textMap,
    }),
  ),
  pagination: z.object({ total: count, limit: count, offset: count, hasMore: z.boolean() }),
});
export type KeptConflict = z.infer<typeof keptConflicts>["conflicts"][number];

const refusal = z.object({
  id: z.string(),
  reason: z.enum(["CONFLICT", "INVALID"]),
  conflictId: z.string().nullish(),
  message: z.string().nullish(),
});
const refusals = z.array(refusal);

const idsByKind = z.object({
  locations: idList,
  placeVisits: idList,
  trips: idList,
  photos: idList,
  photoAttachments: newList,
  tripDays: newList,
});

/** What the phone reads of any row it is sent; the fields of its kind were checked by the kind's own schema. */
export interface RemoteEntity {
  id: string;
  localVersion?: number | null | undefined;
  serverVersion?: number | null | undefined;
  lastModified?: string | null | undefined;
  encryptedData?: string | undefined;
}

function rowsByKind(rows: Record<keyof typeof ENTITIES, z.ZodType<RemoteEntity>>) {
  return z.object({
    locations: z.array(rows.locations),
    placeVisits: z.array(rows.placeVisits),
    trips: z.array(rows.trips),
    photos: z.array(rows.photos),
    photoAttachments: z.array(rows.photoAttachments).default([]),
    tripDays: z.array(rows.tripDays).default([]),
    settings: settings.nullish(),
    deletedIds: idsByKind,
  });
}

function deltaAnswerWith(remoteChanges: ReturnType<typeof rowsByKind>) {
  return z.object({
    syncVersion: version,
    syncTimestamp: instant,
    hasMore: z.boolean().default(false),
    conflicts: z.array(conflict),
    remoteChanges,
    accepted: idsByKind,
    rejected: z.object({
      locations: refusals,
      placeVisits: refusals,
      trips: refusals,
      photos: refusals,
      photoAttachments: refusals.default([]),
      tripDays: refusals.default([]),
    }),
    syncEpoch: z.string().nullish(),
    latestVersion: version.nullish(),
    resyncRequired: z.boolean().nullish(),
  });
}

const encrypted = {
  locations: z.union([envelope, ENTITIES.locations]),
  placeVisits: z.union([envelope, ENTITIES.placeVisits]),
  trips: z.union([envelope, ENTITIES.trips]),
  photos: z.union([envelope, ENTITIES.photos]),
  photoAttachments: z.union([envelope, ENTITIES.photoAttachments]),
  tripDays: z.union([envelope, ENTITIES.tripDays]),
};

/** A phone in clear mode fails on an envelope; one in encrypted mode reads both. */
export const deltaAnswer = deltaAnswerWith(rowsByKind(ENTITIES));
export const encryptedDeltaAnswer = deltaAnswerWith(rowsByKind(encrypted));
export type DeltaAnswer = z.infer<typeof deltaAnswer>;
