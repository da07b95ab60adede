import { z } from "zod";
import { ids, later, noon, phone, tablet } from "../api/story.ts";
import { count, id, instant, named, stamped, uuid, version } from "../api/vocabulary.ts";
import { attachmentAnswer, attachmentChange, exampleAttachment } from "../journal/attachment-description.ts";
import { exampleLocation, locationAnswer, locationChange } from "../journal/location-description.ts";
import { examplePhoto, photoAnswer, photoChange } from "../journal/photo-description.ts";
import { examplePlaceVisit, placeVisitAnswer, placeVisitChange } from "../journal/place-visit-description.ts";
import { exampleSettings, settingsAnswer, settingsChange } from "../journal/settings-description.ts";
import { exampleTripDay, tripDayAnswer, tripDayChange } from "../journal/trip-day-description.ts";
import { exampleTrip, tripAnswer, tripChange } from "../journal/trip-description.ts";
import { common, envelopeSchema } from "./change.ts";
import { conflictType, resolution, side } from "./conflict-description.ts";
import { deltaSchema } from "./delta-request.ts";
import { maybe } from "./schemas.ts";

const envelope = named(
  "Envelope",
  z.strictObject({ id, encryptedData: z.string(), encryptionVersion: z.int(), ...stamped }),
  "An entity in end-to-end mode. Only devices in that mode are sent any.",
);
const envelopeChange = named(
  "EnvelopeChange",
  z.object({ ...common.shape, id: common.shape.id.nullish(), ...envelopeSchema.shape }),
  "`encryptedData` is `iv:tag:ciphertext`, each in base64.",
);
const deletion = named(
  "Deletion",
  z.object({ ...common.shape, syncAction: z.literal("DELETE") }),
  "The entity is gone.",
);

const changes = (change: z.ZodType) => maybe(z.array(z.union([change, deletion, envelopeChange])));

/** What `deltaSchema` reads, with what `readDelta` then reads one by one. */
export const deltaBody = named(
  "Delta",
  deltaSchema.extend({
    localChanges: maybe(
      z.object({
        locations: changes(locationChange),
        placeVisits: changes(placeVisitChange),
        trips: changes(tripChange),
        photos: changes(photoChange),
        photoAttachments: changes(attachmentChange),
        tripDays: changes(tripDayChange),
        settings: maybe(settingsChange),
      }),
    ),
  }),
);

const listed = ["locations", "placeVisits", "trips", "photos", "photoAttachments", "tripDays"] as const;

/** A list of the same for every kind but settings. */
const sameLists = (item: z.ZodType) => Object.fromEntries(listed.map((kind) => [kind, z.array(item)]));

const rows = (entity: z.ZodType) => z.array(z.union([entity, envelope]));
const remoteChanges = z.strictObject({
  locations: rows(locationAnswer),
  placeVisits: rows(placeVisitAnswer),
  trips: rows(tripAnswer),
  photos: rows(photoAnswer),
  photoAttachments: rows(attachmentAnswer),
  tripDays: rows(tripDayAnswer),
  settings: z.union([settingsAnswer, envelope]).nullable(),
  deletedIds: z.strictObject(sameLists(id)),
});

const refusal = named(
  "Rejection",
  z.strictObject({
    id: z.string(),
    reason: z.enum(["CONFLICT", "INVALID"]),
    conflictId: uuid.nullable(),
    message: z.string().optional().describe("What is wrong with it, when it is `INVALID`."),
  }),
);

const deltaConflict = named(
  "DeltaConflict",
  z.strictObject({
    conflictId: uuid.nullable(),
    entityType: z.enum(["LOCATION", "PLACE_VISIT", "TRIP", "PHOTO", "SETTINGS"]),
    entityId: id,
    conflictType,
    localVersion: side,
    remoteVersion: side,
    suggestedResolution: resolution,
  }),
);

export const deltaAnswer = named(
  "DeltaResult",
  z.strictObject({
    syncVersion: version.describe("The cursor for the next delta."),
    latestVersion: version.describe("The account's newest version."),
    syncEpoch: uuid,
    resyncRequired: z.boolean().describe("Everything is being given anew."),
    hasMore: z.boolean().describe("There is more behind `syncVersion`: ask again."),
    encryptedPending: count.describe("Envelopes that this device is not sent, as it syncs in clear."),
    syncTimestamp: instant,
    conflicts: z.array(deltaConflict),
    accepted: z.strictObject({ ...sameLists(id), settings: z.array(id) }),
    rejected: z.strictObject({ ...sameLists(refusal), settings: z.array(refusal) }),
    remoteChanges,
  }),
);

const none = { locations: [], placeVisits: [], trips: [], photos: [], photoAttachments: [], tripDays: [] };

const everything = {
  locations: [exampleLocation],
  placeVisits: [{ ...examplePlaceVisit, photos: [ids.photo], tripId: ids.trip }],
  trips: [exampleTrip],
  photos: [{ ...examplePhoto, placeVisitId: ids.placeVisit }],
  photoAttachments: [exampleAttachment],
  tripDays: [exampleTripDay],
  settings: exampleSettings,
  deletedIds: none,
};

const answered = {
  syncVersion: 12,
  latestVersion: 12,
  syncEpoch: ids.syncEpoch,
  resyncRequired: false,
  hasMore: false,
  encryptedPending: 0,
  syncTimestamp: later,
  conflicts: [],
  accepted: { ...none, settings: [] },
  rejected: { ...none, settings: [] },
  remoteChanges: everything,
};

const { localVersion: _l, serverVersion: _s, lastModified: _m, deviceId: _d, ...trip } = exampleTrip;
const local = { ...none, settings: null };
const name = "Lisbon and Belém";

/** A side of a conflict as it is spelled: texts by key. */
const spelled = (side: object) =>
  Object.fromEntries(
    Object.entries(side)
      .filter(([, value]) => value !== null)
      .map(([key, value]) => [key, typeof value === "string" ? value : JSON.stringify(value)]),
  );

/** A phone's first delta, and that of a tablet which did not know of the phone's edits. */
export const deltaExamples = {
  first: {
    deviceId: phone.deviceId,
    lastSyncVersion: 0,
    isEncrypted: false,
    limit: 500,
    localChanges: local,
  },
  conflict: {
    deviceId: tablet.deviceId,
    lastSyncVersion: 0,
    localChanges: {
      ...local,
      trips: [
        { ...trip, name, syncAction: "CREATE", localVersion: 2, serverVersion: null, lastModified: later },
      ],
    },
  },
};

export const exampleConflict = {
  conflictId: ids.conflict,
  entityType: "TRIP",
  entityId: ids.trip,
  conflictType: "VERSION_MISMATCH",
  localVersion: spelled({ ...trip, name, version: "0", lastModified: later }),
  remoteVersion: spelled({ ...trip, version: "6", lastModified: noon }),
  suggestedResolution: "KEEP_LOCAL",
};

export const deltaAnswers = {
  first: answered,
  conflict: {
    ...answered,
    conflicts: [exampleConflict],
    rejected: {
      ...answered.rejected,
      trips: [{ id: ids.trip, reason: "CONFLICT", conflictId: ids.conflict }],
    },
    remoteChanges: { ...everything, trips: [] },
  },
};
