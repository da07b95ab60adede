import { z } from "zod";

/** An instant as every answer must print it: UTC, `Z`, exactly three fractional digits. */
export const instant = z
  .string()
  .regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, "not an instant with ms and Z");

/** A 64-bit counter value; the phone's parser fails on a fraction. */
export const version = z.int().nonnegative();

const place = z.object({ latitude: z.number(), longitude: z.number() });
const ids = z.array(z.string());
const text = z.string().nullish();

const bookkeeping = {
  syncAction: z.enum(["CREATE", "UPDATE", "DELETE"]).nullish(),
  localVersion: version.nullish(),
  serverVersion: version.nullish(),
  lastModified: instant.nullish(),
  deviceId: text,
};

const location = z.object({
  ...bookkeeping,
  id: z.string(),
  timestamp: instant,
  latitude: z.number(),
  longitude: z.number(),
  altitude: z.number().nullish(),
  accuracy: z.number(),
  speed: z.number().nullish(),
  bearing: z.number().nullish(),
  provider: z.string(),
  batteryLevel: z.number().nullish(),
  clientTimestamp: instant.nullish(),
});

const placeVisit = z.object({
  ...bookkeeping,
  id: z.string(),
  location: place,
  placeName: z.string().nullable(),
  address: text,
  category: z.string(),
  arrivalTime: instant,
  departureTime: instant.nullish(),
  durationMinutes: z.int().nullish(),
  confidence: z.number(),
  isFavorite: z.boolean().default(false),
  notes: text,
  photos: ids.default([]),
  tripId: text,
  createdBy: text,
});

const trip = z.object({
  ...bookkeeping,
  id: z.string(),
  name: z.string(),
  startDate: instant,
  endDate: instant,
  placeVisits: ids.default([]),
  photos: ids.default([]),
  notes: text,
  totalDistance: z.number().nullish(),
  countries: z.array(z.string()).default([]),
  createdBy: text,
});

const exifData = z.object({
  cameraModel: text,
  focalLength: z.number().nullish(),
  aperture: z.number().nullish(),
  iso: z.int().nullish(),
  shutterSpeed: text,
  cameraMake: text,
  lensModel: text,
});

const photo = z.object({
  ...bookkeeping,
  id: z.string(),
  timestamp: instant,
  location: place.nullish(),
  placeVisitId: text,
  tripId: text,
  caption: text,
  url: z
    .string()
    .refine((url) => !url.startsWith("content:"), "a path on some phone")
    .nullish(),
  thumbnailUrl: text,
  exifData: exifData.nullish(),
  previewUrl: text,
  previewProblem: text,
  mimeType: text,
  sizeBytes: z.int().nullish(),
  sha256: text,
  width: z.int().nullish(),
  height: z.int().nullish(),
  capturedAt: text,
  capturedAtOffset: text,
});

const photoAttachment = z.object({
  ...bookkeeping,
  id: z.string(),
  photoId: z.string(),
  placeVisitId: z.string(),
  attachedAt: instant,
  caption: text,
});

const tripDay = z.object({
  ...bookkeeping,
  id: z.string(),
  tripId: z.string(),
  date: z.string().regex(/^\d{4}-\d\d-\d\d$/, "not a date"),
  notes: text,
});

/** What an answer may hold of each synced kind, by the name of its list. */
export const ENTITIES = {
  locations: location,
  placeVisits: placeVisit,
  trips: trip,
  photos: photo,
  photoAttachments: photoAttachment,
  tripDays: tripDay,
};

/** An end-to-end encrypted row: opaque to the server, `iv:tag:ciphertext`, each part base64. */
export const envelope = z.object({
  ...bookkeeping,
  id: z.string(),
  encryptedData: z.string().regex(/^[\w+/=]+:[\w+/=]+:[\w+/=]+$/, "not iv:tag:ciphertext"),
  encryptionVersion: z.int(),
});

/** The settings of one account; within a group every key is required, a group itself may be absent. */
export const settings = z.object({
  trackingPreferences: z
    .object({
      accuracy: z.string(),
      updateInterval: z.string(),
      batteryOptimization: z.boolean(),
      trackWhenStationary: z.boolean(),
      minimumDistance: z.int(),
    })
    .nullish(),
  privacySettings: z
    .object({
      dataRetentionDays: z.int(),
      allowAnonymousAnalytics: z.boolean(),
      shareLocation: z.boolean(),
      requireAuthentication: z.boolean(),
      autoBackup: z.boolean(),
    })
    .nullish(),
  unitPreferences: z
    .object({
      distanceUnit: z.string(),
      temperatureUnit: z.string(),
      timeFormat: z.string(),
      firstDayOfWeek: z.string(),
    })
    .nullish(),
  appearanceSettings: z
    .object({
      theme: z.string(),
      accentColor: z.string(),
      mapStyle: z.string(),
      enableAnimations: z.boolean(),
    })
    .nullish(),
  serverVersion: version.nullish(),
  lastModified: instant.nullish(),
});
